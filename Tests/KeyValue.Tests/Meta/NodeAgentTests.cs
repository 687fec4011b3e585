using Microsoft.Extensions.Logging.Abstractions;
using Orleans.Raft.Core;
using static Orleans.Raft.KeyValue.Tests.StoreClusterExtensions;

namespace Orleans.Raft.KeyValue.Tests.Meta;

/// <summary>How a node finds the controller, wherever that has gone.</summary>
public sealed class NodeAgentTests
{
    private readonly FakeMetaNode _node = new(nodes: 6) { Name = new("node-6") };
    private readonly GroupDescriptor _moved = new(GroupId.Meta, [], [], 1, 7,
        [new(new ReplicaId(4), new("node-4")), new(new ReplicaId(5), new("node-5"))]);

    [Fact]
    public void A_node_that_starts_anew_looks_where_the_meta_group_was_last()
    {
        _node.Formation = _node.Formation with { Meta = _moved };
        Assert.Equal("node-4", Ask(MakeAgent()));
    }

    [Fact]
    public void Any_node_that_has_heard_where_the_meta_group_is_helps()
    {
        NodeAgent agent = MakeAgent();
        Assert.Equal("node-1", Ask(agent));
        agent.Receive(new("node-1"), new Redirect(null, _moved));
        Assert.Equal(_moved, agent.Meta);
        // One that may lead and does not know who does will know soon.
        agent.Receive(new("node-4"), new Redirect(null, _moved));
        Assert.Equal("node-4", Ask(agent));
    }

    [Fact]
    public void Without_an_answer_every_member_of_the_cluster_is_asked_and_none_that_left()
    {
        _node.Formation = _node.Formation with { Members = [.. _node.Formation.Nodes.Where(n => n.Name.Value is not "node-2")] };
        NodeAgent agent = MakeAgent();
        var asked = new SortedSet<string>();
        for (int i = 0; i < 40; i++) asked.Add(Ask(agent));
        // The meta group was formed on the second, too, as far as is known.
        Assert.Equal(["node-1", "node-2", "node-3", "node-4", "node-5"], asked);
        agent.Receive(_moved.Replicas[0].Node, new Redirect(null, _moved));
        asked.Clear();
        for (int i = 0; i < 40; i++) asked.Add(Ask(agent));
        Assert.Equal(["node-1", "node-3", "node-4", "node-5"], asked);
    }

    [Fact]
    public void A_node_that_was_removed_notes_it()
    {
        MakeAgent().Receive(new("node-1"), new Dismissal([]));
        Assert.True(_node.IsDismissed);
    }

    private NodeAgent MakeAgent() => new(_node, new ControllerOptions(), NullLogger.Instance, boot: 1);

    /// <summary>Whom it reports to next.</summary>
    private string Ask(NodeAgent agent)
    {
        _node.Sent.Clear();
        agent.Tick(_node.Now += Seconds(1));
        return Assert.Single(_node.Sent).To.Value;
    }
}
