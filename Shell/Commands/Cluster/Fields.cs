using System.Text;
using Orleans.Raft.Core;

namespace Orleans.Raft.Shell;

/// <summary>The values of <c>name=value</c> lines, and the words that name groups and nodes.</summary>
internal static class Fields
{
    /// <summary>A value without blanks; empty for null.</summary>
    public static string Of(string? text) => Of(Encoding.UTF8.GetBytes(text ?? ""));

    /// <inheritdoc cref="Of(string)"/>
    public static string Of(ReadOnlySpan<byte> bytes) => ByteText.Escape(bytes, escapeBlanks: true);

    /// <summary>A word as it is typed: bare if it can be, else in double quotes.</summary>
    public static string Typed(Word word)
    {
        string text = ByteText.Escape(word.Bytes.Span);
        bool isBare = text.Length > 0 && text[0] != '#' && !text.StartsWith("--", StringComparison.Ordinal)
            && !text.AsSpan().ContainsAny(" \"'") && !text.Any(char.IsWhiteSpace);
        return isBare ? text : $"\"{text.Replace("\"", "\\\"", StringComparison.Ordinal)}\"";
    }

    public static GroupId Group(Word word)
    {
        string text = Encoding.UTF8.GetString(word.Bytes.Span);
        return GroupId.TryParse(text, out GroupId group) && group.ToString() == text
            ? group
            : throw new ShellException("BadArgument", $"{word.Quoted} is no group; write g1, g2, ... as groups does");
    }

    public static NodeName Node(Word word)
    {
        string text = word.ToText("the node");
        return text.Length > 0
            ? new NodeName(text)
            : throw new ShellException("BadArgument", "the node's name is empty; write it as nodes does");
    }
}
