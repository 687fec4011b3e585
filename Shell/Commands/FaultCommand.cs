using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Shell;

/// <summary>A command that breaks or mends a node.</summary>
internal abstract class FaultCommand : ShellCommand
{
    public override string Usage => $"{Name} NODE";

    public override string Details => "Nodes are listed by status. Only the embedded host can do this.";

    public override (int Min, int Max) ArgumentCount => (1, 1);

    public override async Task ExecuteAsync(ShellContext context, Arguments arguments,
        CancellationToken cancellationToken)
    {
        IFaultControl faults = context.RequireFaults();
        NodeName node = await context.FindNodeAsync(arguments[0], cancellationToken);
        await context.WithinAsync($"{Name} {node}", context.Options.FaultTimeout, async stop =>
        {
            try
            {
                await ApplyAsync(faults, node, stop);
                return true;
            }
            catch (InvalidOperationException exception)
            {
                throw new ShellException("InvalidState", $"{node}: {exception.Message}");
            }
        }, cancellationToken);
        context.Output.Ok();
    }

    protected abstract Task ApplyAsync(IFaultControl faults, NodeName node, CancellationToken cancellationToken);
}
