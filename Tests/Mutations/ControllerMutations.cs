using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;
using Orleans.Raft.KeyValue.Tests.Meta;

namespace Orleans.Raft.Mutations;

/// <summary>Bugs in what the controller believes and orders.</summary>
public sealed class ControllerMutations
{
    private static readonly NodeName[] s_nodes = [new("node-1"), new("node-2"), new("node-3")];

    [Fact]
    public void A_stale_descriptor_that_is_accepted_is_found() => Mutation.IsFound(
        FaultPoint.StaleDescriptorAccepted, "the map went back", faults =>
    {
        var registry = new MetaRegistry(new Term(1), new MetaState(), new PlacementOptions(), default, faults: faults);
        FormationPlan plan = FormationPlan.Create(s_nodes, [], new StoreLimits());
        registry.Found(new FormationRecord(default,
            [.. s_nodes.Select((node, i) => new FormationNode(node, new StoreId(new Guid(i + 1, 1, 1, new byte[8]))))],
            plan.Groups, plan.Limits), isBalanceOn: true, default);
        GroupDescriptor before = plan.Groups[0];
        GroupDescriptor lower = before with { End = "m"u8.ToArray(), RangeVersion = 2 };
        GroupDescriptor upper = before with { Group = new GroupId(2), Start = "m"u8.ToArray(), RangeVersion = 2 };
        Tell(s_nodes[0], 1, lower);
        Tell(s_nodes[0], 2, upper);
        // A leader that was, and has not applied the split.
        Tell(s_nodes[1], 1, before);
        Assert.True(registry.Groups[before.Group].Descriptor == lower && registry.StaleReports == 1,
            $"the map went back to {registry.Groups[before.Group].Descriptor}");

        void Tell(NodeName node, ulong number, GroupDescriptor group) => registry.Take(node, new NodeReport(1, number,
            default, "", IsFull: false, [new GroupReport(group, new Term(1), 1, 1, 0, null, [])], [], [], []), default);
    });

    [Fact]
    public void A_source_that_goes_on_before_the_target_has_given_the_merge_up_is_found() => Mutation.IsFound(
        FaultPoint.ThawWithoutAbandon, "the target took what the source goes on with", faults =>
    {
        for (int seed = 0; seed < 60; seed++) MergeProcessTests.Trouble(seed, loss: 0.4, faults);
    });
}
