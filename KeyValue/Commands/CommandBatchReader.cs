using System.Diagnostics.CodeAnalysis;

namespace Orleans.Raft.KeyValue;

/// <summary>Reads a batch of commands. Never throws: bytes that are no batch end the reading and set
/// <see cref="IsMalformed"/>.</summary>
public ref struct CommandBatchReader
{
    private BatchItems _items;

    public CommandBatchReader(ReadOnlySpan<byte> batch) => _items = new BatchItems(batch);

    /// <summary>The number of commands the batch claims to have; 0 if its beginning is malformed.</summary>
    public readonly int Count => _items.Count;

    /// <summary>Whether the framing is broken, as far as it was read. The operations themselves are not looked
    /// at.</summary>
    public readonly bool IsMalformed => _items.IsMalformed;

    /// <summary>None for what is outside of sessions.</summary>
    public SessionId Session { get; private set; }

    public ulong Sequence { get; private set; }

    public ulong FirstUnacknowledged { get; private set; }

    /// <summary>The operation's bytes, within the batch.</summary>
    public ReadOnlySpan<byte> Operation { get; private set; }

    /// <summary>Goes to the next command; false at the end and where the bytes are malformed.</summary>
    public bool MoveNext() => _items.HasNext() && _items.Read(TryRead());

    /// <summary>Checks all that can be checked without the group's state: framing, operations, limits, column
    /// families.</summary>
    /// <param name="count">The number of commands; 0 if malformed.</param>
    /// <param name="problem">What is wrong, in words; null if nothing is.</param>
    public static bool IsWellFormed(
        ReadOnlySpan<byte> batch, StoreLimits limits, out int count, [NotNullWhen(false)] out string? problem)
    {
        ArgumentNullException.ThrowIfNull(limits);
        var reader = new CommandBatchReader(batch);
        count = 0;
        problem = null;
        for (int i = 0; problem is null && reader.MoveNext(); i++)
        {
            ParsedOperation operation = ParsedOperation.Parse(reader.Operation, limits, out AnswerStatus status);
            if (status != AnswerStatus.Ok) problem = $"Command {i}: {Describe(status, limits)}";
            else if (reader.Session.IsNone != IsUnsessioned(operation.Kind))
                problem = $"Command {i}: {operation.Kind} {(reader.Session.IsNone ? "needs a" : "takes no")} session.";
            else if (!reader.Session.IsNone && reader.Sequence == 0)
                problem = $"Command {i}: sequence numbers start at 1.";
        }
        if (problem is null && reader.IsMalformed) problem = "The bytes are no batch of commands of this version.";
        if (problem is not null) return false;
        count = reader.Count;
        return true;
    }

    internal static bool IsUnsessioned(OperationKind kind) =>
        kind is >= OperationKind.OpenSession and <= OperationKind.Thaw;

    private static string Describe(AnswerStatus status, StoreLimits limits) => status switch
    {
        AnswerStatus.KeyTooLarge => $"the key is larger than {limits.MaxKeyBytes} bytes.",
        AnswerStatus.ValueTooLarge => $"the value is larger than {limits.MaxValueBytes} bytes.",
        AnswerStatus.BatchTooLarge => $"the operation is larger than {limits.MaxBatchBytes} bytes.",
        _ => "malformed (empty key, unknown column family, unknown operation, session timeout out of bounds, or cut "
            + "short).",
    };

    private bool TryRead()
    {
        if (!_items.Bytes.TryVarint(out ulong session)) return false;
        ulong sequence = 0;
        ulong first = 0;
        if (session != 0 && !(_items.Bytes.TryVarint(out sequence) && _items.Bytes.TryVarint(out first))) return false;
        if (!_items.Bytes.TryBlock(out ReadOnlySpan<byte> operation)) return false;
        Session = new SessionId(session);
        Sequence = sequence;
        FirstUnacknowledged = first;
        Operation = operation;
        return true;
    }
}
