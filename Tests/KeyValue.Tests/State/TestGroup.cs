using Orleans.Raft.Core;
using Xunit;

namespace Orleans.Raft.KeyValue.Tests.State;

/// <summary>A group's state, driven by entries, and what it answered.</summary>
internal sealed class TestGroup(GroupState state)
{
    private readonly AnswerBatchWriter _answers = new();
    private readonly CommandBatchWriter _commands = new();
    private readonly ReadBatchWriter _reads = new();

    public TestGroup(StoreLimits? limits = null, string start = "", string end = "")
        : this(new GroupState(DescriptorOf(start, end), limits ?? new StoreLimits()))
    {
    }

    public GroupState State { get; } = state;

    /// <summary>What the last entry split off; null if it did not.</summary>
    public GroupStateSnapshot? Child { get; private set; }

    /// <summary>A session that the group of <see cref="DescriptorOf"/> opened.</summary>
    public static SessionId SessionOf(int number) => SessionId.Of(new GroupId(7), (uint)number);

    public static GroupDescriptor DescriptorOf(string start, string end) =>
        new(new GroupId(7), Bytes.Of(start), Bytes.Of(end), 3, 4,
    [
        new ReplicaPlacement(new ReplicaId(1), new NodeName("node-1")),
        new ReplicaPlacement(new ReplicaId(2), new NodeName("nœud-2")),
    ]);

    /// <summary>Applies one entry and returns its answers.</summary>
    public byte[] Apply(ReadOnlyMemory<byte> payload, EntryKind kind = EntryKind.Command)
    {
        _answers.Reset();
        Child = State.Apply(new LogEntry(new Term(1), State.LastApplied.Index.Next(), kind, payload), _answers);
        return _answers.ToArray();
    }

    /// <summary>Applies one command of a session, alone in its entry.</summary>
    public Answer Write(SessionId session, ulong sequence, ulong first, byte[] operation)
    {
        _commands.Reset();
        _commands.Add(session, sequence, first, operation);
        return Assert.Single(Answer.All(Apply(_commands.ToArray())));
    }

    public Answer Unsessioned(byte[] operation)
    {
        _commands.Reset();
        _commands.AddUnsessioned(operation);
        return Assert.Single(Answer.All(Apply(_commands.ToArray())));
    }

    public SessionId Open(long timeoutMilliseconds = 1000)
    {
        Answer answer = Unsessioned(Operation.OpenSession(timeoutMilliseconds));
        Assert.Equal(AnswerStatus.SessionOpened, answer.Status);
        return answer.Session;
    }

    public Answer Get(string key, ColumnFamily family = ColumnFamily.Default)
    {
        _reads.Reset();
        _reads.AddGet(family, Bytes.Of(key));
        return Assert.Single(Read());
    }

    public Answer Scan(string start, string end, int limit = 0, bool reverse = false, int maxBytes = 0,
        ColumnFamily family = ColumnFamily.Default)
    {
        _reads.Reset();
        _reads.AddScan(family, Bytes.Of(start), Bytes.Of(end), limit, reverse, maxBytes);
        return Assert.Single(Read());
    }

    private List<Answer> Read()
    {
        _answers.Reset();
        State.Read(_reads.ToArray(), _answers);
        return Answer.All(_answers.ToArray());
    }
}

/// <summary>A client that acknowledges at once and writes in order.</summary>
internal sealed class TestClient(TestGroup group)
{
    private readonly SessionId _session = group.Open();
    private ulong _sequence;

    public Answer Write(byte[] operation) => group.Write(_session, ++_sequence, _sequence, operation);

    public Answer Put(string key, string value, ColumnFamily family = ColumnFamily.Default) =>
        Write(Operation.Put(family, Bytes.Of(key), Bytes.Of(value)));

    public Answer Delete(string key, ColumnFamily family = ColumnFamily.Default) =>
        Write(Operation.Delete(family, Bytes.Of(key)));
}

/// <summary>An answer, copied out of its batch.</summary>
internal sealed record Answer(AnswerStatus Status)
{
    public string? Value { get; private init; }

    public SessionId Session { get; private init; }

    public GroupDescriptor? Descriptor { get; private init; }

    public bool More { get; private init; }

    public IReadOnlyList<(string Key, string Value)> Rows { get; private init; } = [];

    /// <summary>The keys of the rows, joined.</summary>
    public string Keys => string.Join(' ', Rows.Select(row => row.Key));

    public static List<Answer> All(byte[] batch)
    {
        var answers = new List<Answer>();
        var reader = new AnswerBatchReader(batch);
        while (reader.MoveNext())
        {
            var rows = new List<(string, string)>();
            bool isPage = reader.Status == AnswerStatus.Page;
            if (isPage)
            {
                PageReader page = reader.Rows;
                while (page.MoveNext()) rows.Add((Bytes.Text(page.Key), Bytes.Text(page.Value)));
            }
            answers.Add(new Answer(reader.Status)
            {
                Value = reader.HasValue ? Bytes.Text(reader.Value) : null,
                Session = reader.Status == AnswerStatus.SessionOpened ? reader.Session : default,
                Descriptor = reader.Status == AnswerStatus.WrongRange ? reader.Descriptor : null,
                More = isPage && reader.More,
                Rows = rows,
            });
        }
        Assert.Equal(reader.Count, answers.Count);
        return answers;
    }
}
