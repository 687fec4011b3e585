using System.Buffers;

namespace Orleans.Raft.Shell;

/// <summary>Bytes to a stream, for scripts and pipes.</summary>
internal sealed class PlainOutput(Stream stream) : ShellOutput
{
    private const int FlushBytes = 64 * 1024;

    private readonly ArrayBufferWriter<byte> _buffer = new(4096);

    public override void Raw(ReadOnlySpan<byte> bytes) => _buffer.Write(bytes);

    public override async ValueTask FlushAsync()
    {
        try
        {
            if (_buffer.WrittenCount > 0) await stream.WriteAsync(_buffer.WrittenMemory);
            await stream.FlushAsync();
        }
        catch (Exception exception) when (exception is IOException or ObjectDisposedException)
        {
            throw new OutputFailedException(exception);
        }
        _buffer.ResetWrittenCount();
    }

    public override ValueTask FlushIfFullAsync() => _buffer.WrittenCount >= FlushBytes ? FlushAsync() : default;

    public override Task WithProgressAsync(string title, Func<IProgressSink, Task> work) => work(new NoProgress());

    public override Task WithStepsAsync(string title, Func<Action<string>, Task> work) => work(step =>
    {
        Text($"... {step}");
        Flush();
    });

    protected override void Emit(OutputStyle style, ReadOnlySpan<byte> text) => _buffer.Write(text);

    private void Flush()
    {
        try
        {
            stream.Write(_buffer.WrittenSpan);
            stream.Flush();
        }
        catch (Exception exception) when (exception is IOException or ObjectDisposedException)
        {
            throw new OutputFailedException(exception);
        }
        _buffer.ResetWrittenCount();
    }

    private sealed class NoProgress : IProgressSink
    {
        public void Report(double? fraction, string text)
        {
            // Scripts read results only.
        }
    }
}
