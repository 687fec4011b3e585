using System.Text;

namespace Orleans.Raft.Linearizability;

public enum OperationKind
{
    Get,
    Put,
    Append,
    Delete,
    CompareAndSet,
    Scan,
}

/// <summary>What a client asked for. Keys and values are texts, compared by code unit; bytes become texts with
/// <see cref="Text(ReadOnlySpan{byte})"/>.</summary>
public sealed record Operation
{
    private Operation(string partition, OperationKind kind, string key)
    {
        Partition = partition;
        Kind = kind;
        Key = key;
    }

    /// <summary>The group that owns the keys. A scan is checked against all keys of its partition.</summary>
    public string Partition { get; }

    public OperationKind Kind { get; }

    /// <summary>The key; of a scan the first one, inclusive, empty: unbounded.</summary>
    public string Key { get; }

    /// <summary>Of a scan: the end of the range, exclusive, empty: unbounded.</summary>
    public string End { get; private init; } = "";

    /// <summary>What is put or appended; of a compare-and-set the replacement, null: the key is removed.</summary>
    public string? Value { get; private init; }

    /// <summary>Of a compare-and-set: the value expected, null: the key must be missing.</summary>
    public string? Expected { get; private init; }

    /// <summary>Of a scan: the most rows, 0: all.</summary>
    public int Limit { get; private init; }

    /// <summary>Of a scan: descending.</summary>
    public bool Reverse { get; private init; }

    public static Operation Get(string partition, string key) => new(partition, OperationKind.Get, key);

    public static Operation Put(string partition, string key, string value) =>
        new(partition, OperationKind.Put, key) { Value = value };

    public static Operation Append(string partition, string key, string suffix) =>
        new(partition, OperationKind.Append, key) { Value = suffix };

    public static Operation Delete(string partition, string key) => new(partition, OperationKind.Delete, key);

    public static Operation CompareAndSet(string partition, string key, string? expected, string? replacement) =>
        new(partition, OperationKind.CompareAndSet, key) { Expected = expected, Value = replacement };

    /// <summary>The keys from <paramref name="start"/> (inclusive) to <paramref name="end"/> (exclusive); empty bounds
    /// are open. The whole of it must be read at one moment: one group, one page.</summary>
    public static Operation Scan(string partition, string start, string end, int limit = 0, bool reverse = false) =>
        new(partition, OperationKind.Scan, start) { End = end, Limit = limit, Reverse = reverse };

    /// <summary>One character a byte, so that texts order and compare as the bytes do.</summary>
    public static string Text(ReadOnlySpan<byte> bytes) => Encoding.Latin1.GetString(bytes);

    /// <summary>The bytes of which <see cref="Text(ReadOnlySpan{byte})"/> made a text.</summary>
    public static byte[] Bytes(string text) => Encoding.Latin1.GetBytes(text);

    /// <summary>Whether a scan's range holds a key.</summary>
    internal bool Covers(string key) =>
        string.CompareOrdinal(key, Key) >= 0 && (End.Length == 0 || string.CompareOrdinal(key, End) < 0);

    public override string ToString() => Kind switch
    {
        OperationKind.Get => $"get {Key}",
        OperationKind.Put => $"put {Key} {Show(Value)}",
        OperationKind.Append => $"append {Key} {Show(Value)}",
        OperationKind.Delete => $"delete {Key}",
        OperationKind.CompareAndSet => $"cas {Key} {Show(Expected)} -> {Show(Value)}",
        _ => $"scan [{Key}, {End}){(Limit > 0 ? $" limit {Limit}" : "")}{(Reverse ? " reverse" : "")}",
    };

    /// <summary>A value as messages show it.</summary>
    internal static string Show(string? value) => value is null ? "none" : $"\"{value}\"";
}
