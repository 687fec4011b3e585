using System.Text;
using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Orleans.Tests;

/// <summary>The frames between silos, seen where they leave.</summary>
public sealed class TransportTests : IAsyncLifetime
{
    private readonly FrameWatch _watch = new();
    private readonly RaftTestCluster _cluster;

    // A frame that is held must not count as lost: the next one would be sent.
    public TransportTests() => _cluster = new RaftTestCluster
    {
        Configure = raft => raft.FrameTimeout = TimeSpan.FromHours(1),
        ConfigureSilo = silo => silo.AddOutgoingGrainCallFilter(_watch),
    };

    public Task InitializeAsync() => _cluster.InitializeAsync();

    public async Task DisposeAsync()
    {
        _watch.Release();
        await _cluster.DisposeAsync();
    }

    [Fact]
    public async Task Nothing_is_sent_after_a_frame_that_waits_for_its_reply_and_other_silos_are_not_held_up()
    {
        NodeName slow = RaftTestCluster.Names[2];
        _watch.Hold(_cluster.AddressOf(slow).ToParsableString());
        await Task.WhenAll(Enumerable.Range(0, 200).Select(i =>
            _cluster.Store.PutAsync(Encoding.UTF8.GetBytes($"{(char)(0x21 + i % 94)}{i}"), new byte[100])));
        // From each of the two others.
        await RaftTestCluster.WaitAsync("frames to the slow silo wait", () => _watch.Held == 2);
        _watch.Release();
        await RaftTestCluster.WaitAsync("the slow silo has all writes", async () =>
        {
            ClusterStatus status = await _cluster.Administration.GetStatusAsync();
            return status.Replicas.Where(r => r.Node == slow)
                .All(r => r.Applied >= status.Groups.First(g => g.Group == r.Group).Commit);
        });
        Assert.Equal(1, _watch.MostWaiting);
        Assert.Equal(0, _watch.SentAfterHeld);
        Assert.True(_watch.Frames > 10, $"only {_watch.Frames} frames were seen");
    }

    /// <summary>Counts frames from silo to silo, and keeps those to one silo that wait for a reply until
    /// released.</summary>
    private sealed class FrameWatch : IOutgoingGrainCallFilter
    {
        private readonly Lock _lock = new();
        private readonly Dictionary<(string From, string To), int> _waiting = [];
        private readonly HashSet<(string From, string To)> _heldWays = [];
        private readonly TaskCompletionSource _released = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private string? _held;

        /// <summary>How many frames wait for their release.</summary>
        public int Held { get; private set; }

        /// <summary>The most that waited at once, from one silo to another, since frames were first held.</summary>
        public int MostWaiting { get; private set; }

        /// <summary>Frames that went the way of one that was held.</summary>
        public int SentAfterHeld { get; private set; }

        public int Frames { get; private set; }

        public void Hold(string silo)
        {
            lock (_lock) _held = silo;
        }

        public void Release() => _released.TrySetResult();

        public async Task Invoke(IOutgoingGrainCallContext context)
        {
            // That a silo lives, and what it reports, is said apart from what its replicas say.
            if (context.MethodName is not ("Deliver" or "Pass") || (context.Request.GetArgument(0) is byte[] frame
                && (LivenessFrame.IsLivenessFrame(frame) || ControlFrame.IsControlFrame(frame))))
            {
                await context.Invoke();
                return;
            }
            (string, string) way = (context.SourceId?.ToString() ?? "", context.TargetId.ToString());
            bool isHeld = Begin(way, waits: context.MethodName == "Deliver");
            try
            {
                if (isHeld) await _released.Task;
                await context.Invoke();
            }
            finally
            {
                if (context.MethodName == "Deliver")
                    lock (_lock) _waiting[way]--;
            }
        }

        private bool Begin((string From, string To) way, bool waits)
        {
            lock (_lock)
            {
                if (waits) _waiting[way] = _waiting.GetValueOrDefault(way) + 1;
                if (_held is null) return false;
                Frames++;
                if (_released.Task.IsCompleted) return false;
                if (_heldWays.Contains(way)) SentAfterHeld++;
                if (!waits) return false;
                MostWaiting = Math.Max(MostWaiting, _waiting[way]);
                if (!way.To.Contains(_held, StringComparison.Ordinal)) return false;
                _heldWays.Add(way);
                Held++;
                return true;
            }
        }
    }
}
