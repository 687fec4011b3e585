using System.Globalization;
using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Chaos;

/// <summary>Serves clients of the store over this process's standard streams: many requests at a time, until the input
/// ends.</summary>
/// <param name="faults">Null if nodes cannot be broken from here.</param>
public sealed class PipeServer(
    IReadOnlyList<IKeyValueStore> clients, IClusterAdministration administration, IFaultControl? faults) : IDisposable
{
    private readonly Lock _lock = new();
    private readonly StreamWriter _output = new(Console.OpenStandardOutput()) { AutoFlush = true };

    public async Task RunAsync()
    {
        using var input = new StreamReader(Console.OpenStandardInput());
        Write(PipeText.Ready);
        while (await input.ReadLineAsync() is { } line) _ = ServeAsync(line.Split(' '));
    }

    public void Dispose() => _output.Dispose();

    private async Task ServeAsync(string[] request)
    {
        string reply;
        try
        {
            IKeyValueStore store = clients[int.Parse(request[1], CultureInfo.InvariantCulture)];
            reply = string.Join(' ', [PipeText.Ok, .. await ExecuteAsync(store, request[2], request[3..])]);
        }
        catch (UnavailableException failure)
        {
            reply = $"{PipeText.Unavailable} {PipeText.Word(failure.Message)}";
        }
        catch (OutcomeUnknownException failure)
        {
            reply = $"{PipeText.Unknown} {PipeText.Word(failure.Message)}";
        }
#pragma warning disable CA1031 // Whatever it is, the other side must hear of it; there it ends the run.
        catch (Exception failure)
#pragma warning restore CA1031
        {
            reply = $"{PipeText.Refused} {PipeText.Word(failure.ToString())}";
        }
        Write($"{request[0]} {reply} {PipeText.End}");
    }

    private void Write(string line)
    {
        lock (_lock) _output.WriteLine(line);
    }

    private async Task<IEnumerable<string>> ExecuteAsync(IKeyValueStore store, string verb, string[] words)
    {
        switch (verb)
        {
            case "get":
                var consistency = Enum.Parse<Consistency>(words[1]);
                return [PipeText.Word(await store.GetAsync(Key(words[0]), new ReadOptions(Consistency: consistency)))];
            case "put":
                await store.PutAsync(Key(words[0]), Key(words[1]));
                return [];
            case "append":
                await store.AppendAsync(Key(words[0]), Key(words[1]));
                return [];
            case "delete":
                await store.DeleteAsync(Key(words[0]));
                return [];
            case "cas":
                CompareAndSetResult result = await store.CompareAndSetAsync(Key(words[0]), PipeText.Bytes(words[1]),
                    PipeText.Bytes(words[2]));
                return [result.Applied ? "1" : "0", PipeText.Word(result.Current)];
            case "scan":
                var options = new ScanOptions(Limit: int.Parse(words[2], CultureInfo.InvariantCulture),
                    Reverse: words[3] == "1");
                var rows = new List<string>();
                await foreach (KeyValueEntry row in store.ScanAsync(Key(words[0]), Key(words[1]), options))
                    rows.AddRange([PipeText.Word(row.Key), PipeText.Word(row.Value)]);
                return rows;
            case "status":
                return Describe(await administration.GetStatusAsync());
            case "split":
                await administration.CompleteAsync(new SplitRequest(Key(words[0])) { IsRepeat = true },
                    TimeProvider.System);
                return [];
            case "merge":
                return [PipeText.Word(await MergeAsync(Key(words[0]), follow: words[1] == "1"))];
            case "replicas":
                return (await administration.GetStatusAsync()).Replicas.SelectMany(Describe);
            default:
                await BreakAsync(verb, words);
                return [];
        }
    }

    /// <summary>Makes one group of the two that meet at a key.</summary>
    /// <param name="follow">Whether to see it through.</param>
    private async Task<string> MergeAsync(ReadOnlyMemory<byte> key, bool follow)
    {
        IReadOnlyList<GroupOverview> groups = (await administration.AdministerAsync(new ListGroupsRequest())).Groups;
        GroupOverview? left = groups.FirstOrDefault(g => g.Descriptor.End.AsSpan().SequenceEqual(key.Span));
        GroupOverview? right = groups.FirstOrDefault(g => g.Descriptor.Start.AsSpan().SequenceEqual(key.Span));
        if (left is null || right is null) return "no groups meet there any more";
        var request = new MergeGroupsRequest(left.Descriptor.Group, right.Descriptor.Group);
        if (!follow) return (await administration.AdministerAsync(request)).Text;
        try
        {
            await administration.CompleteAsync(request, TimeProvider.System);
            return PipeText.Merged;
        }
        catch (AdministrationRefusedException refusal)
        {
            // Given up, for instance because a group had no leader for too long.
            return refusal.Message;
        }
    }

    private Task BreakAsync(string verb, string[] words)
    {
        IFaultControl control = faults ?? throw new NotSupportedException($"{verb}: nodes cannot be broken from here.");
        return verb switch
        {
            "kill" => control.KillAsync(new NodeName(words[0])),
            "start" => control.StartAsync(new NodeName(words[0])),
            "isolate" => control.IsolateAsync(new NodeName(words[0])),
            "heal" => control.HealAsync(),
            _ => throw new NotSupportedException($"There is no verb {verb}."),
        };
    }

    /// <summary>Of each node: name, up or down, what is wrong with it or with a replica of it.</summary>
    private static IEnumerable<string> Describe(ClusterStatus status)
    {
        foreach (NodeStatus node in status.Nodes)
        {
            IEnumerable<string> failed = status.Replicas.Where(r => r.Node == node.Node && r.Role == "failed")
                .Select(r => $"{r.Group} failed: {r.Reason}");
            string problem = string.Join("; ", node.Problem is { } own ? failed.Prepend(own) : failed);
            yield return node.Node.Value;
            yield return node.IsUp ? "up" : "down";
            yield return PipeText.Word(problem);
        }
    }

    private static IEnumerable<string> Describe(ReplicaStatus replica) =>
    [
        replica.Group.ToString(), replica.Node.Value, replica.Role, Number(replica.Term.Value),
        Number(replica.Commit.Value), Number(replica.Applied.Value),
    ];

    private static string Number(ulong number) => number.ToString(CultureInfo.InvariantCulture);

    private static ReadOnlyMemory<byte> Key(string word) => PipeText.Bytes(word)!.Value;
}
