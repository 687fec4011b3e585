namespace Orleans.Raft.Shell;

internal enum LineKind
{
    Line,

    /// <summary>Longer than the bound; skipped up to its end.</summary>
    TooLong,

    End,
}

/// <summary>A line without its newline; its bytes are valid until the next read.</summary>
internal readonly record struct LineRead(LineKind Kind, ReadOnlyMemory<byte> Bytes);

/// <summary>Reads lines of bytes from a stream, as they come, holding one line at most.</summary>
internal sealed class LineReader(Stream stream, int lineMaxBytes)
{
    private const int FirstBufferBytes = 64 * 1024;

    private byte[] _buffer = new byte[Math.Min(FirstBufferBytes, lineMaxBytes + 1)];
    private int _start;
    private int _end;
    private bool _ended;
    private bool _skipping;

    /// <summary>The number of the line last read, from 1.</summary>
    public long LineNumber { get; private set; }

    public long BytesRead { get; private set; }

    public async ValueTask<LineRead> ReadAsync(CancellationToken cancellationToken)
    {
        int scanned = 0;
        while (true)
        {
            int newline = _buffer.AsSpan(_start + scanned, _end - _start - scanned).IndexOf((byte)'\n');
            if (newline >= 0)
            {
                LineRead line = Take(scanned + newline);
                _start++;
                return line;
            }
            scanned = _end - _start;
            if (_ended) return scanned > 0 || _skipping ? Take(scanned) : new LineRead(LineKind.End, default);
            if (scanned > lineMaxBytes)
            {
                _skipping = true;
                _start = _end;
                scanned = 0;
            }
            await FillAsync(cancellationToken);
        }
    }

    private LineRead Take(int length)
    {
        LineNumber++;
        ReadOnlyMemory<byte> bytes = _buffer.AsMemory(_start, length);
        _start += length;
        bool tooLong = _skipping || length > lineMaxBytes;
        _skipping = false;
        if (LineNumber == 1 && bytes.Span.StartsWith("\uFEFF"u8)) bytes = bytes[3..];
        return tooLong ? new LineRead(LineKind.TooLong, default) : new LineRead(LineKind.Line, bytes);
    }

    private async ValueTask FillAsync(CancellationToken cancellationToken)
    {
        if (_start > 0)
        {
            _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
            _end -= _start;
            _start = 0;
        }
        if (_end == _buffer.Length)
        {
            Array.Resize(ref _buffer,
                (int)Math.Min(2L * _buffer.Length, Math.Max(lineMaxBytes + 1L, _buffer.Length + 1L)));
        }
        // Waiting for a console or pipe cannot be cancelled itself, so the wait for it is.
        Task<int> read = stream.ReadAsync(_buffer.AsMemory(_end), cancellationToken).AsTask();
        int count = await read.WaitAsync(cancellationToken);
        _ended = count == 0;
        _end += count;
        BytesRead += count;
    }
}
