using System.Buffers;
using System.Text;

namespace Orleans.Raft.Shell;

internal enum OutputStyle
{
    Normal,
    Good,
    Muted,
    Key,
    Bad,
}

/// <summary>Takes notice of how far a long command is.</summary>
internal interface IProgressSink
{
    /// <param name="fraction">0 to 1; null if the end is not known.</param>
    void Report(double? fraction, string text);
}

/// <summary>Where results go. The lines are the same everywhere; a terminal adds colours and progress.</summary>
internal abstract class ShellOutput
{
    private readonly ArrayBufferWriter<byte> _escaped = new();

    public void Ok() => EmitLine(OutputStyle.Good, "OK"u8);

    public void Nil() => EmitLine(OutputStyle.Muted, "(nil)"u8);

    public void Line(string text) => EmitLine(OutputStyle.Normal, Encoding.UTF8.GetBytes(text));

    /// <summary>One line of what others worded, whatever is in it.</summary>
    public void Text(string text) => Line(OneLine(text));

    /// <summary>A value, printed so that it can be typed back.</summary>
    public void Value(ReadOnlySpan<byte> value) => EmitLine(OutputStyle.Normal, EscapeValue(value));

    public void Row(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        _escaped.ResetWrittenCount();
        ByteText.Append(_escaped, key);
        Emit(OutputStyle.Key, _escaped.WrittenSpan);
        Emit(OutputStyle.Normal, "\t"u8);
        EmitLine(OutputStyle.Normal, EscapeValue(value));
    }

    public void Mismatch(ReadOnlyMemory<byte>? current)
    {
        Emit(OutputStyle.Muted, "MISMATCH "u8);
        if (current is { } value) Value(value.Span);
        else Nil();
    }

    public void Error(string code, string message) =>
        EmitLine(OutputStyle.Bad, Encoding.UTF8.GetBytes($"ERR {code}: {OneLine(message)}"));

    /// <summary>Bytes as they are, and nothing behind them.</summary>
    public abstract void Raw(ReadOnlySpan<byte> bytes);

    /// <summary>Hands what was written to the reader.</summary>
    /// <exception cref="OutputFailedException">There is none any more.</exception>
    public abstract ValueTask FlushAsync();

    /// <summary>Flushes if much has gathered; called between the rows of a long answer.</summary>
    public abstract ValueTask FlushIfFullAsync();

    public abstract Task WithProgressAsync(string title, Func<IProgressSink, Task> work);

    /// <summary>Shows the steps of something that takes its time: one line that is rewritten on a terminal, else a line
    /// a step, handed to the reader at once.</summary>
    /// <param name="work">Takes what tells a step, for one thread at a time.</param>
    public abstract Task WithStepsAsync(string title, Func<Action<string>, Task> work);

    protected abstract void Emit(OutputStyle style, ReadOnlySpan<byte> text);

    private void EmitLine(OutputStyle style, ReadOnlySpan<byte> text)
    {
        Emit(style, text);
        Emit(OutputStyle.Normal, "\n"u8);
    }

    private ReadOnlySpan<byte> EscapeValue(ReadOnlySpan<byte> value)
    {
        if (value.SequenceEqual("(nil)"u8)) return @"\x28nil)"u8; // Told apart from a missing value.
        _escaped.ResetWrittenCount();
        ByteText.Append(_escaped, value);
        return _escaped.WrittenSpan;
    }

    /// <summary>Messages may quote what others wrote: an error stays one line.</summary>
    protected static string OneLine(string message)
    {
        if (!message.Any(char.IsControl)) return message;
        var line = new StringBuilder(message.Length + 8);
        foreach (char character in message)
        {
            if (char.IsControl(character)) line.Append(ByteText.Escape(Encoding.UTF8.GetBytes([character])));
            else line.Append(character);
        }
        return line.ToString();
    }
}
