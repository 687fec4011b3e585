using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Shell;

internal sealed class MergeCommand : ShellCommand
{
    public override string Name => "merge";

    public override string Usage => "merge GROUP [--with NEIGHBOUR]";

    public override string Summary => "Makes one group of GROUP and its right neighbour; the larger one survives.";

    public override string Details => """
        Writes to the smaller one wait meanwhile. Prints a step a line, then OK.
        Without --with the neighbour is looked up once, and what is sent names both, however often it is sent. Typed
        again it is a new request, for the next neighbour: to see one through whose end you did not see, repeat it as
        its error says, with --with.
        """;

    public override IReadOnlyList<OptionSpec> Options { get; } = [new("with", TakesValue: true)];

    public override (int Min, int Max) ArgumentCount => (1, 1);

    public override async Task ExecuteAsync(ShellContext context, Arguments arguments,
        CancellationToken cancellationToken)
    {
        GroupId group = Fields.Group(arguments[0]);
        GroupId neighbour = arguments.Option("with") is { } word
            ? Fields.Group(word)
            : await FindNeighbourAsync(context, group, cancellationToken);
        if (neighbour == group) throw new ShellException("BadOption", $"--with is {group} itself; name another group");
        await ControllerJob.RunAsync(context, new MergeGroupsRequest(group, neighbour),
            $"merge {group} --with {neighbour}", cancellationToken);
    }

    private static async Task<GroupId> FindNeighbourAsync(
        ShellContext context, GroupId group, CancellationToken cancellationToken)
    {
        IReadOnlyList<GroupOverview> groups =
            (await context.AskAsync(new ListGroupsRequest(), cancellationToken)).Groups;
        GroupDescriptor left = groups.FirstOrDefault(g => g.Descriptor.Group == group)?.Descriptor
            ?? throw new ShellException("UnknownGroup", $"there is no group {group}; see groups");
        if (left.End.Length == 0)
            throw new ShellException("NoNeighbour", $"{group} is the last group; name the one on its left instead");
        return groups.FirstOrDefault(g => g.Descriptor.Start.AsSpan().SequenceEqual(left.End))?.Descriptor.Group
            ?? throw new ShellException("NoNeighbour",
                $"what is right of {group} is being changed; see groups, and try again");
    }
}
