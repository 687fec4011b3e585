using Microsoft.Extensions.Logging.Abstractions;
using Orleans.Raft.Core;
using static Orleans.Raft.KeyValue.Tests.StoreClusterExtensions;

namespace Orleans.Raft.KeyValue.Tests.Meta;

/// <summary>What the controller says and does at which moment, on a node that does what the test says.</summary>
public sealed class MetaControllerTests
{
    private readonly FakeMetaNode _node = new(nodes: 3);
    private readonly MetaController _controller;
    private ulong _number;

    public MetaControllerTests() => _controller = new MetaController(_node, new ControllerOptions(), NullLogger.Instance);

    [Fact]
    public void A_node_that_joins_is_told_of_only_when_its_row_is_durable()
    {
        TakeOver();
        var joining = new FormationNode(new("node-4"), FakeMetaNode.Store(4));
        Assert.Equal(3, Told(Report(1)).Nodes.Count);
        _node.HoldWrites();
        Assert.Equal(3, Told(Report(1, joining)).Nodes.Count);
        Tick(Seconds(1));
        Assert.Equal(3, Told(Report(1)).Nodes.Count);
        _node.EndWrites(written: true);
        Assert.Contains(Told(Report(1)).Nodes, node => node.Name == joining.Name);
    }

    private void TakeOver()
    {
        _node.MetaTerm = new Term(3);
        Tick(TimeSpan.Zero);
        Assert.True(_controller.IsActive);
    }

    private void Tick(TimeSpan passed)
    {
        _node.Now += passed;
        _controller.Tick(_node.Now);
    }

    private NodeReport Report(int node, params FormationNode[] joining) =>
        new((ulong)node, ++_number, default, "", IsFull: true, [], [], [], joining);

    /// <summary>What the controller answers to a report of a node that has nothing of the map yet.</summary>
    private Orders Told(NodeReport report)
    {
        _node.Sent.Clear();
        _controller.Receive(new NodeName($"node-{report.Boot}"), report);
        return Assert.IsType<Orders>(Assert.Single(_node.Sent).Message);
    }
}
