using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Mutations;

/// <summary>Bugs in what the controller believes.</summary>
public sealed class MetaMutations
{
    [Fact]
    public void A_stale_descriptor_that_is_accepted_is_found() => Mutation.IsFound(
        FaultPoint.StaleDescriptorAccepted, "went back", faults =>
    {
        NodeName[] nodes = [new("node-1"), new("node-2"), new("node-3")];
        FormationPlan plan = FormationPlan.Create(nodes, [], new StoreLimits());
        var registry = new MetaRegistry(new Term(1), new MetaState(), new PlacementOptions(), default) { Faults = faults };
        registry.Found(new FormationRecord(default,
            [.. nodes.Select((name, i) => new FormationNode(name, new StoreId(new Guid(i + 1, 0, 0, new byte[8]))))],
            plan.Groups, plan.Limits), isBalanceOn: true, default);
        GroupDescriptor old = plan.Groups[0];
        GroupDescriptor split = old with { End = "m"u8.ToArray(), RangeVersion = old.RangeVersion + 1 };
        Tell(registry, nodes[0], split);
        // From one that led before, and has not applied the split.
        Tell(registry, nodes[1], old);
        GroupDescriptor known = registry.Groups[old.Group].Descriptor;
        Assert.True(known.Equals(split), $"the controller went back from {split} to {known}");
    });

    private static void Tell(MetaRegistry registry, NodeName from, GroupDescriptor group) => registry.Take(from,
        new NodeReport(Boot: 1, Number: 1, default, "", IsFull: true,
            [new GroupReport(group, new Term(1), 0, 0, 0, null, [])], [], [], []), default);
}
