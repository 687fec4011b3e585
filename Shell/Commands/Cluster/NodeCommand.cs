using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Shell;

internal sealed class NodeCommand : ShellCommand
{
    public override string Name => "node";

    public override string Usage => "node add|drain|remove|replace NAME [--undo]";

    public override string Summary => "Lets a node join, empties it, lets it go, or says that it lost its disk.";

    public override string Details => """
        add      starts a node in this process, which joins; a silo joins by itself when it is started
        drain    moves its replicas to other nodes; it stays, and gets none until drain NAME --undo
        remove   moves its replicas to other nodes and lets it go for good
        replace  it lost its disk: its replicas are made anew elsewhere, and a node of its name may join again
        Prints a step a line, then OK.
        """;

    public override IReadOnlyList<OptionSpec> Options { get; } = [new("undo", TakesValue: false)];

    public override IReadOnlyList<string> Verbs => ["add", "drain", "remove", "replace"];

    public override (int Min, int Max) ArgumentCount => (2, 2);

    public override Task ExecuteAsync(ShellContext context, Arguments arguments, CancellationToken cancellationToken)
    {
        string verb = Verbs.FirstOrDefault(known => arguments[0].ToText("what to do").Equals(known,
            StringComparison.Ordinal))
            ?? throw new ShellException("BadArgument",
                $"{arguments[0].Quoted} cannot be done to a node; use add, drain, remove or replace");
        NodeName node = Fields.Node(arguments[1]);
        bool undo = arguments.Has("undo");
        if (undo && verb != "drain") throw new ShellException("BadOption", $"--undo goes with drain, not {verb}");
        string again = $"node {verb} {Fields.Typed(arguments[1])}{(undo ? " --undo" : "")}";
        if (verb == "add")
        {
            INodeControl nodes = context.RequireNodes();
            return ControllerJob.RunAsync(context, again, _ => nodes.AddAsync(node, cancellationToken),
                cancellationToken);
        }
        AdministrationRequest request = verb switch
        {
            "drain" => new DrainNodeRequest(node, undo),
            "remove" => new RemoveNodeRequest(node),
            _ => new ReplaceNodeRequest(node),
        };
        return ControllerJob.RunAsync(context, request, again, cancellationToken);
    }
}
