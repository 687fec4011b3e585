namespace Orleans.Raft.KeyValue;

/// <summary>Checks callers' arguments before anything is sent.</summary>
internal static class Arguments
{
    public static void CheckKey(ReadOnlyMemory<byte> key, ColumnFamily family, StoreLimits limits)
    {
        if (key.IsEmpty)
            throw new KeyValueArgumentException("EmptyKey", "The key is empty; a key has at least 1 byte.");
        if (key.Length > limits.MaxKeyBytes)
            throw new KeyValueArgumentException("KeyTooLarge",
                $"The key has {key.Length} bytes; at most {limits.MaxKeyBytes} are allowed.");
        CheckFamily(family);
    }

    public static void CheckBound(ReadOnlyMemory<byte> bound, StoreLimits limits)
    {
        if (bound.Length > limits.MaxKeyBytes)
            throw new KeyValueArgumentException("KeyTooLarge",
                $"A bound of the scan has {bound.Length} bytes; at most {limits.MaxKeyBytes} are allowed.");
    }

    public static void CheckValue(ReadOnlyMemory<byte> value, StoreLimits limits)
    {
        if (value.Length > limits.MaxValueBytes)
            throw new KeyValueArgumentException("ValueTooLarge",
                $"The value has {value.Length} bytes; at most {limits.MaxValueBytes} are allowed.");
    }

    public static void CheckFamily(ColumnFamily family)
    {
        if (!Enum.IsDefined(family))
            throw new KeyValueArgumentException("BadArgument",
                $"There is no column family {(byte)family}; there are default, lock and write.");
    }
}
