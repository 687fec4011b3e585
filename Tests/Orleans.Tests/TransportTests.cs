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
    public async Task One_frame_at_a_time_is_on_its_way_to_a_silo_and_one_that_hangs_holds_up_no_other_silo()
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
        Assert.Equal(1, _watch.MostAtOnce);
        Assert.True(_watch.Frames > 10, $"only {_watch.Frames} frames were seen");
    }

    /// <summary>Counts frames under way from silo to silo and keeps those to one silo until released.</summary>
    private sealed class FrameWatch : IOutgoingGrainCallFilter
    {
        private readonly Lock _lock = new();
        private readonly Dictionary<(string From, string To), int> _underWay = [];
        private readonly TaskCompletionSource _released = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private string? _held;

        /// <summary>How many frames wait for their release.</summary>
        public int Held { get; private set; }

        /// <summary>The most from one silo to another since frames were first held.</summary>
        public int MostAtOnce { get; private set; }

        public int Frames { get; private set; }

        public void Hold(string silo)
        {
            lock (_lock) _held = silo;
        }

        public void Release() => _released.TrySetResult();

        public async Task Invoke(IOutgoingGrainCallContext context)
        {
            // That a silo lives, and what it reports, is said apart from what its replicas say.
            if (context.MethodName != "Deliver" || (context.Request.GetArgument(0) is byte[] frame
                && (LivenessFrame.IsLivenessFrame(frame) || ControlFrame.IsControlFrame(frame))))
            {
                await context.Invoke();
                return;
            }
            (string, string) way = (context.SourceId?.ToString() ?? "", context.TargetId.ToString());
            bool waits = Begin(way);
            try
            {
                if (waits) await _released.Task;
                await context.Invoke();
            }
            finally
            {
                lock (_lock) _underWay[way]--;
            }
        }

        private bool Begin((string From, string To) way)
        {
            lock (_lock)
            {
                _underWay[way] = _underWay.GetValueOrDefault(way) + 1;
                if (_held is null) return false;
                Frames++;
                MostAtOnce = Math.Max(MostAtOnce, _underWay[way]);
                if (!way.To.Contains(_held, StringComparison.Ordinal) || _released.Task.IsCompleted) return false;
                Held++;
                return true;
            }
        }
    }
}
