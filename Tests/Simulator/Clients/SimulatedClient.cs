using Orleans.Raft.Histories;
using Orleans.Raft.KeyValue;
using Orleans.Raft.Linearizability;
using Orleans.Raft.Testing;
using Operation = Orleans.Raft.Linearizability.Operation;
using OperationKind = Orleans.Raft.Linearizability.OperationKind;

namespace Orleans.Raft.Simulator;

/// <summary>
/// One caller after whose calls the history is written: some on keys that all share, checked for linearizability, and
/// some that put keys of its own once, each of which must be there at the end if it was acknowledged.
/// </summary>
internal sealed class SimulatedClient(int number, ClientProcess process, Workload workload, History history,
    VirtualTime time, Random random, SimulationTrace trace)
{
    private readonly List<(string Key, string Value, bool Acknowledged)> _own = [];
    private readonly Dictionary<string, string?> _lastRead = [];
    private int _lastValue;

    /// <summary>Whether some reads trust the leader's lease.</summary>
    public required bool UsesLeases { get; init; }

    /// <summary>Whether it takes no part in the history.</summary>
    public bool PutsOnlyOwnKeys { get; init; }

    public long WritesAcknowledged { get; private set; }

    /// <summary>Of calls in the history.</summary>
    public long OutcomesUnknown { get; private set; }

    public long Reads { get; private set; }

    private long Now => time.Now.Ticks;

    public async Task RunAsync(Func<bool> stop, Pacer pacer)
    {
        while (true)
        {
            await pacer.WaitForTurnAsync();
            if (stop()) return;
            int choice = random.Next(100);
            if (choice < 5 || PutsOnlyOwnKeys) await PutOwnAsync();
            else if (choice < 94) await CallAsync(NextOperation(choice));
            else await ReadStaleAsync();
        }
    }

    /// <summary>Reads all shared keys once more, and every own key that was ever put.</summary>
    public async Task ReadAllAsync(Action<string> violated)
    {
        foreach (string key in PutsOnlyOwnKeys ? [] : workload.SharedKeys)
            await CallAsync(Workload.Get(key), Consistency.Linearizable);
        Dictionary<string, string> found = [];
        for (int i = 0; i < workload.Prefixes.Count; i++)
        {
            string start = Operation.Text(workload.Prefixes[i]) + $"own-{number}-";
            await foreach (KeyValueEntry row in process.Client.ScanAsync(
                Operation.Bytes(start), Operation.Bytes(start + ":")))
                found.Add(Operation.Text(row.Key.Span), Operation.Text(row.Value.Span));
        }
        foreach ((string key, string value, bool acknowledged) in _own)
        {
            if (!found.Remove(key, out string? present) ? acknowledged : present != value)
                violated($"client {number}: {key} holds {present ?? "nothing"}, but {value} was put"
                    + (acknowledged ? " and acknowledged" : ""));
        }
        foreach (string key in found.Keys) violated($"client {number}: {key} is there, but was never put");
    }

    private async Task PutOwnAsync()
    {
        string value = Workload.ValueOf(number, ++_lastValue, random);
        string key = workload.OwnKey(number, _lastValue);
        bool acknowledged = false;
        try
        {
            await process.Client.PutAsync(Operation.Bytes(key), Operation.Bytes(value));
            acknowledged = true;
            WritesAcknowledged++;
        }
        catch (OutcomeUnknownException unknown)
        {
            RequireNoFault(unknown);
        }
        catch (Exception refused) when (refused is UnavailableException or ObjectDisposedException)
        {
            return;
        }
        _own.Add((key, value, acknowledged));
    }

    private Operation NextOperation(int choice)
    {
        string key = workload.SharedKeys[random.Next(workload.SharedKeys.Count)];
        return choice switch
        {
            < 66 => Workload.AnyWrite(choice, key, NextValue, () => _lastRead.GetValueOrDefault(key), random),
            < 88 => Workload.Get(key),
            _ => workload.AnyScan(random),
        };
    }

    private string NextValue() => Workload.ValueOf(number, ++_lastValue, random);

    private async Task CallAsync(Operation operation, Consistency? consistency = null)
    {
        Consistency used = consistency
            ?? (UsesLeases && random.Next(3) == 0 ? Consistency.Lease : Consistency.Linearizable);
        int id = history.Invoke(number, operation, Now);
        try
        {
            Answer answer = await process.Client.ExecuteAsync(operation, used);
            if (operation.Kind == OperationKind.Get) _lastRead[operation.Key] = answer.Value;
            history.Complete(id, answer, Now);
            if (operation.Kind is OperationKind.Get or OperationKind.Scan) Reads++;
            else if (answer.Succeeded) WritesAcknowledged++;
            trace.NoteAnswer(number, id, 0);
        }
        catch (OutcomeUnknownException unknown)
        {
            RequireNoFault(unknown);
            history.Unknown(id);
            OutcomesUnknown++;
            trace.NoteAnswer(number, id, 1);
        }
        catch (UnavailableException)
        {
            history.Refuse(id);
            trace.NoteAnswer(number, id, 2);
        }
        catch (ObjectDisposedException)
        {
            // The client process died before anything was sent.
            history.Refuse(id);
        }
    }

    /// <summary>An outcome is unknown for want of an answer; a client that broke is another matter.</summary>
    private static void RequireNoFault(OutcomeUnknownException unknown)
    {
        if (unknown.InnerException is { } fault) throw new InvalidOperationException("A client broke.", fault);
    }

    /// <summary>May be old, so nothing can be said about it, but that it is answered or refused.</summary>
    private async Task ReadStaleAsync()
    {
        string key = workload.SharedKeys[random.Next(workload.SharedKeys.Count)];
        try
        {
            Operation read = Workload.Get(key);
            _lastRead[key] = (await process.Client.ExecuteAsync(read, Consistency.Stale)).Value;
        }
        catch (Exception refused) when (refused is UnavailableException or ObjectDisposedException)
        {
            trace.NoteAnswer(number, 0, 2);
        }
    }
}
