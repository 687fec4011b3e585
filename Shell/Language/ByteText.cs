using System.Buffers;
using System.Globalization;
using System.Text;

namespace Orleans.Raft.Shell;

/// <summary>
/// Bytes as text and back: UTF-8 as it is, but backslash, control characters and bytes that are not UTF-8 as escapes
/// (<c>\\ \t \n \xNN</c>). What is printed reads back to the same bytes.
/// </summary>
public static class ByteText
{
    private const string HexDigits = "0123456789abcdef";

    private static readonly SearchValues<byte> s_unescaped = SearchValues.Create(
        [.. Enumerable.Range(0x20, 0x5f).Select(value => (byte)value).Where(value => value != '\\')]);

    private static readonly SearchValues<byte> s_unescapedNoBlanks = SearchValues.Create(
        [.. Enumerable.Range(0x21, 0x5e).Select(value => (byte)value).Where(value => value != '\\')]);

    /// <summary>The printed form.</summary>
    /// <param name="escapeBlanks">Also escapes white space, so that the result has none.</param>
    public static string Escape(ReadOnlySpan<byte> bytes, bool escapeBlanks = false)
    {
        var output = new ArrayBufferWriter<byte>(Math.Max(16, bytes.Length));
        Append(output, bytes, escapeBlanks);
        return Encoding.UTF8.GetString(output.WrittenSpan);
    }

    /// <summary>Appends the printed form, in UTF-8.</summary>
    public static void Append(IBufferWriter<byte> output, ReadOnlySpan<byte> bytes, bool escapeBlanks = false)
    {
        SearchValues<byte> unescaped = escapeBlanks ? s_unescapedNoBlanks : s_unescaped;
        while (!bytes.IsEmpty)
        {
            int plain = bytes.IndexOfAnyExcept(unescaped);
            if (plain < 0) plain = bytes.Length;
            output.Write(bytes[..plain]);
            bytes = bytes[plain..];
            if (bytes.IsEmpty) return;

            OperationStatus status = Rune.DecodeFromUtf8(bytes, out Rune rune, out int length);
            bool printable = status == OperationStatus.Done && rune.Value >= 0x80 && !Rune.IsControl(rune) &&
                !(escapeBlanks && Rune.IsWhiteSpace(rune));
            if (printable) output.Write(bytes[..length]);
            else foreach (byte value in bytes[..length]) AppendEscape(output, value);
            bytes = bytes[length..];
        }
    }

    /// <summary>Reads the printed form; quotes and blanks stand for themselves.</summary>
    /// <param name="destination">At least as long as <paramref name="text"/>.</param>
    /// <param name="errorOffset">Where the bad escape begins, if false is returned.</param>
    public static bool TryUnescape(
        ReadOnlySpan<byte> text, Span<byte> destination, out int written, out int errorOffset, out string? problem)
    {
        written = 0;
        errorOffset = 0;
        problem = null;
        int at = 0;
        while (at < text.Length)
        {
            int plain = text[at..].IndexOf((byte)'\\');
            if (plain < 0) plain = text.Length - at;
            text.Slice(at, plain).CopyTo(destination[written..]);
            at += plain;
            written += plain;
            if (at == text.Length) break;

            int length = ReadEscape(text[at..], out destination[written], out problem);
            if (length == 0)
            {
                errorOffset = at;
                return false;
            }
            at += length;
            written++;
        }
        return true;
    }

    /// <summary>Reads the escape that <paramref name="text"/> begins with.</summary>
    /// <returns>Its length; 0 if it is none, with the problem.</returns>
    internal static int ReadEscape(ReadOnlySpan<byte> text, out byte value, out string? problem)
    {
        problem = null;
        value = 0;
        switch (text.Length > 1 ? text[1] : (byte)0)
        {
            case (byte)'\\': value = (byte)'\\'; return 2;
            case (byte)'"': value = (byte)'"'; return 2;
            case (byte)'\'': value = (byte)'\''; return 2;
            case (byte)'t': value = (byte)'\t'; return 2;
            case (byte)'n': value = (byte)'\n'; return 2;
            case (byte)'x':
                bool valid = text.Length >= 4 && char.IsAsciiHexDigit((char)text[2]) &&
                    char.IsAsciiHexDigit((char)text[3]);
                if (valid && byte.TryParse(text.Slice(2, 2), NumberStyles.AllowHexSpecifier, null, out value)) return 4;
                problem = "bad escape: \\x needs two hexadecimal digits, as in \\x0a";
                return 0;
            default:
                problem = "bad escape: after a backslash comes one of \\ \" ' t n or xNN; write \\\\ for a backslash";
                return 0;
        }
    }

    private static void AppendEscape(IBufferWriter<byte> output, byte value)
    {
        Span<byte> escape = output.GetSpan(4);
        escape[0] = (byte)'\\';
        int length = 2;
        switch (value)
        {
            case (byte)'\\': escape[1] = (byte)'\\'; break;
            case (byte)'\t': escape[1] = (byte)'t'; break;
            case (byte)'\n': escape[1] = (byte)'n'; break;
            default:
                escape[1] = (byte)'x';
                escape[2] = (byte)HexDigits[value >> 4];
                escape[3] = (byte)HexDigits[value & 15];
                length = 4;
                break;
        }
        output.Advance(length);
    }
}
