using System.Buffers;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Shell;

/// <summary>A row of a file; owns its bytes.</summary>
internal readonly record struct TransferRow(ColumnFamily Family, ReadOnlyMemory<byte> Key, ReadOnlyMemory<byte> Value);

/// <summary>A line that is not a row; the message is the reason.</summary>
internal sealed class BadLineException(string message) : Exception(message);

/// <summary>How rows are written in a file, one a line.</summary>
internal interface ITransferFormat
{
    /// <summary>Appends a row with its newline.</summary>
    void Append(IBufferWriter<byte> output, in TransferRow row);

    /// <summary>Reads a line without its newline.</summary>
    /// <exception cref="BadLineException">It is not a row.</exception>
    TransferRow Parse(ReadOnlySpan<byte> line);
}

internal static class TransferFormats
{
    /// <summary>The longest line of a file: a value of 1 MiB in which every byte is escaped fits.</summary>
    public const int LineMaxBytes = 16 * 1024 * 1024;

    public const string Help = """
        tsv: key<TAB>value, and <TAB>family where it is not default; bytes are escaped as in the shell's output.
        ndjson: one object a line: {"key":"k","value":"v","cf":"default"}; key_b64 and value_b64 (base64) where
        the bytes are not UTF-8; cf may be left out.
        Without --format the file's name decides: .ndjson and .jsonl are ndjson, all else is tsv.
        """;

    /// <summary>The format asked for, else the one that the file's name says.</summary>
    public static ITransferFormat Choose(string path, Word? asked)
    {
        if (asked is { } word)
        {
            if (word.Equals("tsv"u8)) return new TsvFormat();
            if (word.Equals("ndjson"u8)) return new NdjsonFormat();
            throw new ShellException("BadOption", $"--format is tsv or ndjson, not {word.Quoted}; use one of them");
        }
        bool isJson = Path.GetExtension(path).ToUpperInvariant() is ".NDJSON" or ".JSONL";
        return isJson ? new NdjsonFormat() : new TsvFormat();
    }
}
