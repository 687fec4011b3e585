using System.Text;

namespace Orleans.Raft.Core.Tests;

/// <summary>Short ways to write down terms, entries and messages.</summary>
internal static class Make
{
    public static readonly TimeSpan ElectionTimeout = TimeSpan.FromMilliseconds(500);
    public static readonly TimeSpan HeartbeatInterval = TimeSpan.FromMilliseconds(100);

    public static ReplicaId R(ulong id) => new(id);

    public static Term T(ulong term) => new(term);

    public static LogIndex I(ulong index) => new(index);

    public static EntryId Id(ulong term, ulong index) => new(new Term(term), new LogIndex(index));

    public static ReadOnlyMemory<byte> Bytes(string text) => Encoding.UTF8.GetBytes(text);

    public static LogEntry Entry(ulong term, ulong index) =>
        new(new Term(term), new LogIndex(index), EntryKind.Command, Bytes($"{index}@{term}"));

    /// <summary>Entries of the given terms after <paramref name="previous"/>.</summary>
    public static LogEntry[] Entries(ulong previous, params ulong[] terms) =>
        [.. terms.Select((term, i) => Entry(term, previous + 1 + (ulong)i))];

    public static AppendEntries Append(ulong term, EntryId previous, ulong commit, params ulong[] terms) =>
        new(new Term(term), previous, Entries(previous.Index.Value, terms), new LogIndex(commit));

    public static Member M(ulong id) => new(new ReplicaId(id), new NodeName($"n{id}"));

    /// <summary>What a group of r1, r2, ... begins with.</summary>
    public static Configuration Simple(int size) =>
        Configuration.Create(1, Enumerable.Range(1, size).Select(id => M((ulong)id)), []);

    public static RaftState Fresh(int size) => RaftState.Empty with { Configuration = Simple(size) };

    public static RaftOptions Options(ulong id, ulong seed = 1) => new()
    {
        Id = new ReplicaId(id),
        Seed = seed + id,
        BootNonce = seed * 1000,
        ElectionTimeout = ElectionTimeout,
        HeartbeatInterval = HeartbeatInterval,
    };
}
