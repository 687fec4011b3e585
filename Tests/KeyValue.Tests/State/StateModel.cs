using Xunit;

namespace Orleans.Raft.KeyValue.Tests.State;

/// <summary>What a group should hold, kept as plainly as can be.</summary>
internal sealed class StateModel
{
    private readonly SortedDictionary<byte[], byte[]>[] _families =
        [.. Enumerable.Range(0, 3).Select(_ => new SortedDictionary<byte[], byte[]>(NaiveByteOrder.Instance))];
    private ulong _sequence;

    public long Bytes => _families.Sum(family => family.Sum(row => (long)row.Key.Length + row.Value.Length));

    public IEnumerable<byte[]> Keys => _families.SelectMany(family => family.Keys);

    public long BytesBelow(byte[] key) => _families.Sum(family => family
        .Where(row => NaiveByteOrder.Instance.Compare(row.Key, key) < 0)
        .Sum(row => (long)row.Key.Length + row.Value.Length));

    /// <summary>Takes out the keys that are not below one.</summary>
    public StateModel CutFrom(byte[] key)
    {
        var upper = new StateModel { _sequence = _sequence };
        for (int family = 0; family < 3; family++)
        {
            foreach (byte[] moved in _families[family].Keys.Where(k => NaiveByteOrder.Instance.Compare(k, key) >= 0).ToArray())
            {
                upper._families[family][moved] = _families[family][moved];
                _families[family].Remove(moved);
            }
        }
        return upper;
    }

    /// <summary>Takes over all of another one.</summary>
    public void Join(StateModel other)
    {
        _sequence = Math.Max(_sequence, other._sequence);
        for (int family = 0; family < 3; family++)
            foreach ((byte[] key, byte[] value) in other._families[family]) _families[family].Add(key, value);
    }

    /// <summary>Writes to a group, in its session 1, and here what that should do.</summary>
    public void Change(TestGroup group, Random random, int writes)
    {
        for (int i = 0; i < writes; i++)
        {
            byte[] key = KeyValue.Tests.Bytes.RandomKey(random);
            int family = random.Next(3);
            byte[]? value = random.Next(4) == 0 ? null : KeyValue.Tests.Bytes.Random(random, 30);
            byte[] operation = value is null
                ? Operation.Delete((ColumnFamily)family, key)
                : Operation.Put((ColumnFamily)family, key, value);
            ulong sequence = ++_sequence;
            AnswerStatus status = group.Write(TestGroup.SessionOf(1), sequence, sequence, operation).Status;
            Assert.Equal(group.State.Descriptor.Contains(key) ? AnswerStatus.Ok : AnswerStatus.WrongRange, status);
            if (status != AnswerStatus.Ok) continue;
            if (value is null) _families[family].Remove(key);
            else _families[family][key] = value;
        }
    }

    /// <summary>Requires that a group holds this and nothing else.</summary>
    public void Require(TestGroup group)
    {
        GroupDescriptor range = group.State.Descriptor;
        var reads = new ReadBatchWriter();
        for (int family = 0; family < 3; family++)
        {
            reads.Reset();
            reads.AddScan((ColumnFamily)family, range.Start, range.End, 0, reverse: false);
            var answers = new AnswerBatchWriter();
            group.State.Read(reads.ToArray(), answers);
            var reader = new AnswerBatchReader(answers.ToArray());
            Assert.True(reader.MoveNext());
            PageReader page = reader.Rows;
            foreach ((byte[] key, byte[] value) in _families[family])
            {
                Assert.True(page.MoveNext());
                Assert.Equal(key, page.Key);
                Assert.Equal(value, page.Value);
            }
            Assert.False(page.MoveNext());
        }
        Assert.Equal(Bytes, group.State.KeyValueBytes);
    }

    /// <summary>A few commands of session 1, some of them retries.</summary>
    public static byte[] RandomBatch(TestGroup group, Random random, int after)
    {
        var batch = new CommandBatchWriter();
        ulong wanted = (ulong)after + group.State.LastApplied.Index.Value;
        for (int left = random.Next(1, 4); left > 0; left--)
            batch.Add(TestGroup.SessionOf(1), wanted + (ulong)random.Next(20), wanted - 5,
                Operation.Append((ColumnFamily)random.Next(3), KeyValue.Tests.Bytes.RandomKey(random),
                KeyValue.Tests.Bytes.Random(random, 20)));
        return batch.ToArray();
    }
}
