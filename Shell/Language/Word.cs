using System.Text;

namespace Orleans.Raft.Shell;

/// <summary>One word of a command.</summary>
/// <param name="IsPlain">Neither a quote nor an escape was used: only then can it be an option or <c>(nil)</c>.</param>
/// <param name="Column">Where it begins, in characters, from 1.</param>
internal readonly record struct Word(ReadOnlyMemory<byte> Bytes, bool IsPlain, int Column)
{
    private static readonly UTF8Encoding s_strict =
        new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    public bool IsNil => IsPlain && Bytes.Span.SequenceEqual("(nil)"u8);

    public bool IsOption => IsPlain && Bytes.Span.StartsWith("--"u8);

    /// <summary>For messages: quoted, escaped, and shortened if long.</summary>
    public string Quoted
    {
        get
        {
            const int MaxShown = 60;
            string text = ByteText.Escape(Bytes.Span[..Math.Min(Bytes.Length, MaxShown)]);
            return Bytes.Length > MaxShown ? $"'{text}...'" : $"'{text}'";
        }
    }

    public bool Equals(ReadOnlySpan<byte> text) => Bytes.Span.SequenceEqual(text);

    /// <summary>The word as text; an error if it is not UTF-8.</summary>
    public string ToText(string what)
    {
        try
        {
            return s_strict.GetString(Bytes.Span);
        }
        catch (DecoderFallbackException)
        {
            throw new ShellException("BadArgument", $"{what} {Quoted} is not UTF-8; write it in UTF-8");
        }
    }
}
