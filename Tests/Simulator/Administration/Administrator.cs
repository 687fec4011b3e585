using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;
using Orleans.Raft.Testing;
using Operation = Orleans.Raft.Linearizability.Operation;

namespace Orleans.Raft.Simulator;

/// <summary>
/// Asks the cluster's controller for what administrators ask for, over a network that loses requests and answers, and
/// repeats each request until it is done, refused, or takes too long.
/// </summary>
internal sealed class Administrator(StoreCluster cluster, SimulationTrace trace)
{
    private static readonly TimeSpan AskTimeout = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan RepeatInterval = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly AdministrationClient _client = cluster.CreateAdministrator(AskTimeout);

    /// <summary>Repeats a request for a while; false if it was refused or takes longer.</summary>
    public Task<bool> TryAsync(AdministrationRequest request) => AskAsync(request, Patience, endures: false);

    /// <summary>Repeats a request until it is done, whatever the controller says meanwhile: there is no way
    /// back.</summary>
    public Task<bool> InsistAsync(AdministrationRequest request) => AskAsync(request, TimeSpan.MaxValue, endures: true);

    /// <summary>Asks once; null if nobody answered.</summary>
    public async Task<AdministrationAnswer?> AskOnceAsync(AdministrationRequest request)
    {
        try
        {
            return await _client.AskAsync(request);
        }
        catch (UnavailableException)
        {
            return null;
        }
    }

    /// <summary>Waits until the controller knows a node as one that is up.</summary>
    public async Task<bool> WaitUntilUpAsync(NodeName name)
    {
        for (TimeSpan end = cluster.Time.Now + Patience; cluster.Time.Now < end;)
        {
            AdministrationAnswer? answer = await AskOnceAsync(new ListNodesRequest());
            if (answer?.Nodes.Any(node => node.Name == name && node.State == NodeState.Up) == true) return true;
            await Task.Delay(RepeatInterval, cluster.Time);
        }
        return false;
    }

    public Task DelayAsync(TimeSpan time) => Task.Delay(time, cluster.Time);

    private async Task<bool> AskAsync(AdministrationRequest request, TimeSpan patience, bool endures)
    {
        TimeSpan start = cluster.Time.Now;
        while (true)
        {
            AdministrationAnswer? answer = await AskOnceAsync(request);
            if (answer is null or { Status: AdministrationStatus.UnderWay }) request = request with { IsRepeat = true };
            if (answer?.Status == AdministrationStatus.Done)
            {
                trace.Note($"{Describe(request)}: done");
                return true;
            }
            if (answer?.Status == AdministrationStatus.Refused && !endures)
            {
                trace.Note($"{Describe(request)}: refused: {answer.Text}");
                return false;
            }
            if (!endures && cluster.Time.Now - start >= patience)
            {
                trace.Note($"{Describe(request)}: given up: {answer?.Text ?? "nobody answers"}");
                return false;
            }
            await Task.Delay(RepeatInterval, cluster.Time);
        }
    }

    private static string Describe(AdministrationRequest request) => request switch
    {
        SplitRequest split => $"split at {Operation.Text(split.Key.Span)}",
        MergeGroupsRequest merge => $"merge of {merge.Left} with {merge.Right}",
        MoveReplicaRequest move => $"move of {move.Group} from {move.From} to {move.To}",
        TransferLeaderRequest transfer => $"lead of {transfer.Group} to {transfer.Node}",
        DrainNodeRequest drain => $"drain of {drain.Node}{(drain.Undo ? " undone" : "")}",
        RemoveNodeRequest remove => $"removal of {remove.Node}",
        ReplaceNodeRequest replace => $"replacement of {replace.Node}",
        SwitchBalanceRequest balance => $"balance {(balance.On ? "on" : "off")}",
        _ => request.GetType().Name,
    };
}
