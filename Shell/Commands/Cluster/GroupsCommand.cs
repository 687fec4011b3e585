using System.Globalization;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Shell;

internal sealed class GroupsCommand : ShellCommand
{
    public override string Name => "groups";

    public override string Usage => "groups [add N [--from COUNT]]";

    public override string Summary => "Prints the groups in key order, or splits the largest until there are N more.";

    public override string Details => """
        group g7 start= end= bytes= leader= replicas= ops_per_s=      and operation= while something is changed
        An empty start= or end= is unbounded, an empty leader= unknown. Blanks in values print as \x20.
        replicas= names nodes, comma-separated; NODE/learner gets everything and does not vote yet, NODE/incoming and
        NODE/outgoing are the voters that a change under way adds and removes.
        groups add prints a step a line, then OK. The groups are counted once, and what is sent says how many there shall
        be, however often it is sent. Typed again it is a new request, for N more: to see one through whose end you did
        not see, repeat it as its error says, with --from, the COUNT of groups it began from.
        """;

    public override IReadOnlyList<OptionSpec> Options { get; } = [new("from", TakesValue: true)];

    public override IReadOnlyList<string> Verbs => ["add"];

    public override (int Min, int Max) ArgumentCount => (0, 2);

    public override async Task ExecuteAsync(ShellContext context, Arguments arguments,
        CancellationToken cancellationToken)
    {
        if (arguments.Count == 0 && !arguments.Has("from")) await PrintAsync(context, cancellationToken);
        else await AddAsync(context, arguments, cancellationToken);
    }

    private static async Task PrintAsync(ShellContext context, CancellationToken cancellationToken)
    {
        AdministrationAnswer answer = await context.AskAsync(new ListGroupsRequest(), cancellationToken);
        foreach (GroupOverview group in answer.Groups) context.Output.Line(Describe(group));
    }

    private async Task AddAsync(ShellContext context, Arguments arguments, CancellationToken cancellationToken)
    {
        const int Most = StoreNodeOptions.MaxGroups;
        if (arguments.Count != 2 || !arguments[0].Equals("add"u8))
            throw new ShellException("BadArgument", $"only add and a number can follow; usage: {Usage}");
        if (!int.TryParse(arguments[1].Bytes.Span, NumberStyles.None, CultureInfo.InvariantCulture, out int more)
            || more is < 1 or > Most)
        {
            throw new ShellException("BadArgument",
                $"{arguments[1].Quoted} is no number of groups; write one from 1 to {Most}");
        }
        int from = (int)arguments.Integer("from", min: 1, max: Most, absent: 0);
        if (from == 0) from = (await context.AskAsync(new ListGroupsRequest(), cancellationToken)).Groups.Count;
        if (from + more > Most)
        {
            throw new ShellException("BadArgument",
                $"{from} groups and {more} more are too many; there can be {Most}");
        }
        await ControllerJob.RunAsync(context, new GrowGroupsRequest(from + more),
            string.Create(CultureInfo.InvariantCulture, $"groups add {more} --from {from}"), cancellationToken);
    }

    private static string Describe(GroupOverview group)
    {
        GroupDescriptor what = group.Descriptor;
        string replicas = string.Join(',', what.Replicas.Select(Describe));
        return FormattableString.Invariant($"group {what.Group} start={Fields.Of(what.Start)} ")
            + FormattableString.Invariant($"end={Fields.Of(what.End)} bytes={group.Bytes} ")
            + $"leader={Fields.Of(group.Leader?.Value)} replicas={replicas} "
            + FormattableString.Invariant($"ops_per_s={group.OperationsPerSecond:0.0}")
            + (group.Operation is null ? "" : $" operation={Fields.Of(group.Operation)}");
    }

    private static string Describe(ReplicaPlacement replica) => Fields.Of(replica.Node.Value) + replica.Role switch
    {
        ReplicaRole.Learner => "/learner",
        ReplicaRole.Incoming => "/incoming",
        ReplicaRole.Outgoing => "/outgoing",
        _ => "",
    };
}
