using System.Buffers.Text;
using System.Text;

namespace Orleans.Raft.Chaos;

/// <summary>
/// The words of a line between this process and the store's. A request is NUMBER CLIENT VERB WORDS, its reply NUMBER
/// OUTCOME WORDS, in any order; a word is text without spaces, or bytes.
/// </summary>
public static class PipeText
{
    public const string Ready = "ready";
    public const string Ok = "ok";
    public const string Unavailable = "unavailable";
    public const string Unknown = "unknown";
    public const string Refused = "refused";

    /// <summary>What a merge that was seen through answers.</summary>
    public const string Merged = "merged";

    /// <summary>Ends every reply: without it a killed process has left only a part of a line.</summary>
    public const string End = ".";

    private const string None = "-";

    public static string Word(ReadOnlyMemory<byte>? bytes) =>
        bytes is { } given ? "=" + Base64Url.EncodeToString(given.Span) : None;

    public static string Word(string text) => Word(Encoding.UTF8.GetBytes(text));

    public static ReadOnlyMemory<byte>? Bytes(string word) =>
        word == None ? default(ReadOnlyMemory<byte>?) : Base64Url.DecodeFromChars(word.AsSpan(1));

    public static string Text(string word) => Encoding.UTF8.GetString(Bytes(word)!.Value.Span);
}
