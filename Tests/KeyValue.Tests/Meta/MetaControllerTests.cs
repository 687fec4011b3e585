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

    [Fact]
    public async Task What_no_controller_took_is_refused_and_what_may_have_happened_is_unknown()
    {
        _node.MetaTerm = new Term(3);
        Assert.Equal(GroupReplyStatus.Unavailable, (await _controller.AdministerAsync(new ListNodesRequest())).Status);
        TakeOver();
        Assert.Equal(GroupReplyStatus.Answered, (await _controller.AdministerAsync(new ListNodesRequest())).Status);
        _node.HoldWrites();
        Task<GroupReply> asked = _controller.AdministerAsync(new SwitchBalanceRequest(On: false));
        _node.EndWrites(written: false);
        Assert.Equal(GroupReplyStatus.Unknown, (await asked).Status);
    }

    [Fact]
    public void What_fails_for_good_is_said_once_and_tried_ever_more_rarely()
    {
        var log = new CountingLogger();
        var controller = new MetaController(_node, new ControllerOptions(), log);
        _node.MetaTerm = new Term(3);
        _node.ReadFailure = new InvalidDataException("a row that cannot be read");
        for (int i = 0; i < 6000; i++) controller.Tick(_node.Now += TimeSpan.FromMilliseconds(20));
        Assert.InRange(_node.Reads, 5, 9);
        Assert.Equal(1, log.Count);
        _node.ReadFailure = null;
        controller.Tick(_node.Now += TimeSpan.FromMinutes(2));
        Assert.True(controller.IsActive);
    }

    [Fact]
    public void A_node_without_the_meta_group_tells_where_that_is_now()
    {
        GroupDescriptor moved = MetaGroup.FormedBy(_node.Formation) with { ConfigVersion = 9 };
        _node.KnownMeta = moved;
        _controller.Receive(new NodeName("node-2"), Report(2));
        Redirect redirect = Assert.IsType<Redirect>(Assert.Single(_node.Sent).Message);
        Assert.Equal((null, moved), (redirect.Leader, redirect.Meta));
    }

    private sealed class CountingLogger : Microsoft.Extensions.Logging.ILogger
    {
        public int Count { get; private set; }

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(Microsoft.Extensions.Logging.LogLevel logLevel) => true;

        public void Log<TState>(Microsoft.Extensions.Logging.LogLevel logLevel,
            Microsoft.Extensions.Logging.EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter)
        {
            if (exception is not null) Count++;
        }
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
