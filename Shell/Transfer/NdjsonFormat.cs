using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Unicode;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Shell;

/// <summary>One JSON object a line; what is not UTF-8 stands in base64 under another name.</summary>
internal sealed class NdjsonFormat : ITransferFormat
{
    private static readonly JsonWriterOptions s_writerOptions =
        new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private static readonly JsonReaderOptions s_readerOptions = new() { MaxDepth = 2 };

    public void Append(IBufferWriter<byte> output, in TransferRow row)
    {
        using (var writer = new Utf8JsonWriter(output, s_writerOptions))
        {
            writer.WriteStartObject();
            WriteBytes(writer, "key", "key_b64", row.Key.Span);
            WriteBytes(writer, "value", "value_b64", row.Value.Span);
            writer.WriteString("cf", Families.Name(row.Family));
            writer.WriteEndObject();
        }
        output.Write("\n"u8);
    }

    public TransferRow Parse(ReadOnlySpan<byte> line)
    {
        if (line.Trim(" \t\r"u8).IsEmpty) throw new BadLineException("the line is empty");
        try
        {
            return ParseObject(line);
        }
        catch (JsonException exception)
        {
            throw new BadLineException(
                $"not JSON, at byte {exception.BytePositionInLine + 1}; write one object a line");
        }
        catch (InvalidOperationException)
        {
            // The reader's answer to text that cannot be UTF-8, such as half a surrogate pair.
            throw new BadLineException("a string is not valid text; use key_b64 or value_b64 for other bytes");
        }
    }

    private static TransferRow ParseObject(ReadOnlySpan<byte> line)
    {
        var reader = new Utf8JsonReader(line, s_readerOptions);
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject) throw new BadLineException("not a JSON object");
        ReadOnlyMemory<byte>? key = null;
        ReadOnlyMemory<byte>? value = null;
        ColumnFamily? family = null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string name = reader.GetString()!;
            reader.Read();
            if (reader.TokenType != JsonTokenType.String) throw new BadLineException($"'{name}' is not a string");
            switch (name)
            {
                case "key": Set(ref key, name, ReadText(ref reader)); break;
                case "key_b64": Set(ref key, name, ReadBase64(ref reader, name)); break;
                case "value": Set(ref value, name, ReadText(ref reader)); break;
                case "value_b64": Set(ref value, name, ReadBase64(ref reader, name)); break;
                case "cf": Set(ref family, name, ReadFamily(ref reader)); break;
                default:
                    throw new BadLineException(
                        $"unknown name '{name}'; known are key, key_b64, value, value_b64 and cf");
            }
        }
        while (reader.Read())
        {
            // What follows the object must be nothing: the reader throws at anything else.
        }
        if (key is null) throw new BadLineException("no key; give key or key_b64");
        if (value is null) throw new BadLineException("no value; give value or value_b64");
        return new TransferRow(family ?? ColumnFamily.Default, key.Value, value.Value);
    }

    private static void Set<T>(ref T? target, string name, T value) where T : struct
    {
        if (target is not null) throw new BadLineException($"'{name}' repeats what the line already says");
        target = value;
    }

    private static ReadOnlyMemory<byte> ReadText(ref Utf8JsonReader reader)
    {
        byte[] bytes = new byte[reader.ValueSpan.Length];
        int length = reader.CopyString(bytes);
        return bytes.AsMemory(0, length);
    }

    private static ReadOnlyMemory<byte> ReadBase64(ref Utf8JsonReader reader, string name) =>
        reader.TryGetBytesFromBase64(out byte[]? bytes) ? bytes : throw new BadLineException($"'{name}' is not base64");

    private static ColumnFamily ReadFamily(ref Utf8JsonReader reader)
    {
        ReadOnlyMemory<byte> name = ReadText(ref reader);
        return Families.TryParse(name.Span, out ColumnFamily family)
            ? family
            : throw new BadLineException($"'{ByteText.Escape(name.Span)}' is no column family; use {Families.Names}");
    }

    private static void WriteBytes(Utf8JsonWriter writer, string name, string base64Name, ReadOnlySpan<byte> bytes)
    {
        if (Utf8.IsValid(bytes)) writer.WriteString(name, bytes);
        else writer.WriteBase64String(base64Name, bytes);
    }
}
