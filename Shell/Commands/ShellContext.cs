using System.Text;
using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Shell;

/// <summary>What commands work with.</summary>
internal sealed class ShellContext(IKeyValueStore store, IClusterAdministration administration, IFaultControl? faults,
    INodeControl? nodes, ShellOptions options, ShellOutput output)
{
    public IKeyValueStore Store { get; } = store;

    public IClusterAdministration Administration { get; } = administration;

    public ShellOptions Options { get; } = options;

    public ShellOutput Output { get; } = output;

    public bool ExitRequested { get; set; }

    /// <exception cref="ShellException">The host cannot break nodes.</exception>
    public IFaultControl RequireFaults() => faults ?? throw new ShellException("Unsupported",
        "these nodes are processes that the shell cannot break; stop them yourself, or use the embedded host");

    /// <exception cref="ShellException">The host cannot start nodes.</exception>
    public INodeControl RequireNodes() => nodes ?? throw new ShellException("Unsupported",
        "nodes are silos here, and a silo joins by itself: start one with a name of its own");

    /// <summary>Asks the controller for what it knows.</summary>
    /// <exception cref="AdministrationRefusedException">It refuses.</exception>
    public async Task<AdministrationAnswer> AskAsync(
        AdministrationRequest request, CancellationToken cancellationToken)
    {
        // An attempt ends by its deadline, but whoever interrupts does not wait for that.
        AdministrationAnswer answer =
            await Administration.AdministerAsync(request, cancellationToken).WaitAsync(cancellationToken);
        return answer.Status != AdministrationStatus.Refused
            ? answer
            : throw new AdministrationRefusedException(answer.Text);
    }

    public Task<ClusterStatus> GetStatusAsync(CancellationToken cancellationToken) => WithinAsync(
        "the status", Options.StatusTimeout, Administration.GetStatusAsync, cancellationToken);

    /// <summary>Runs a call that must not hang, even if its callee does.</summary>
    public async Task<T> WithinAsync<T>(
        string what, TimeSpan timeout, Func<CancellationToken, Task<T>> call, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        try
        {
            return await call(stop.Token).WaitAsync(timeout, Options.TimeProvider, cancellationToken);
        }
        catch (TimeoutException)
        {
            await stop.CancelAsync();
            throw new ShellException("Timeout",
                $"{what}: no answer within {timeout.TotalSeconds} s; it may still happen; see the nodes' logs");
        }
    }

    /// <summary>The node that a word names.</summary>
    public async Task<NodeName> FindNodeAsync(Word word, CancellationToken cancellationToken)
    {
        ClusterStatus status = await GetStatusAsync(cancellationToken);
        foreach (NodeStatus node in status.Nodes)
        {
            if (word.Equals(Encoding.UTF8.GetBytes(node.Node.Value))) return node.Node;
        }
        throw new ShellException("UnknownNode",
            $"no node is named {word.Quoted}; use one of {string.Join(", ", status.Nodes.Select(node => node.Node))}");
    }
}
