using System.Buffers;
using System.Text;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Shell;

/// <summary>Key, tab, value, and a third column with the family where it is not the default one.</summary>
internal sealed class TsvFormat : ITransferFormat
{
    private static ReadOnlySpan<byte> ByteOrderMark => "\uFEFF"u8;

    public void Append(IBufferWriter<byte> output, in TransferRow row)
    {
        ReadOnlySpan<byte> key = row.Key.Span;
        if (key.StartsWith(ByteOrderMark))
        {
            // At the start of a file it would be taken for the file's own.
            output.Write(@"\xef\xbb\xbf"u8);
            key = key[ByteOrderMark.Length..];
        }
        ByteText.Append(output, key);
        output.Write("\t"u8);
        ByteText.Append(output, row.Value.Span);
        if (row.Family != ColumnFamily.Default)
        {
            output.Write("\t"u8);
            output.Write(Encoding.ASCII.GetBytes(Families.Name(row.Family)));
        }
        output.Write("\n"u8);
    }

    public TransferRow Parse(ReadOnlySpan<byte> line)
    {
        if (line.EndsWith("\r"u8)) line = line[..^1];
        int tab = line.IndexOf((byte)'\t');
        if (tab < 0) throw new BadLineException(line.IsEmpty ? "the line is empty" : "no tab between key and value");
        ReadOnlySpan<byte> value = line[(tab + 1)..];
        ColumnFamily family = ColumnFamily.Default;
        int secondTab = value.IndexOf((byte)'\t');
        if (secondTab >= 0)
        {
            ReadOnlySpan<byte> name = value[(secondTab + 1)..];
            if (name.Contains((byte)'\t'))
            {
                throw new BadLineException("more than three columns; write a tab in a value as \\t");
            }
            if (!Families.TryParse(name, out family))
            {
                throw new BadLineException($"'{ByteText.Escape(name)}' is no column family; use {Families.Names}");
            }
            value = value[..secondTab];
        }
        return new TransferRow(family, Unescape(line[..tab], "key"), Unescape(value, "value"));
    }

    private static ReadOnlyMemory<byte> Unescape(ReadOnlySpan<byte> text, string what)
    {
        byte[] bytes = new byte[text.Length];
        return ByteText.TryUnescape(text, bytes, out int length, out int errorOffset, out string? problem)
            ? bytes.AsMemory(0, length)
            : throw new BadLineException($"the {what}, at its byte {errorOffset + 1}: {problem}");
    }
}
