using System.Reflection;
using Orleans.Concurrency;
using Orleans.GrainDirectory;
using Orleans.Placement;
using Orleans.Raft.Client;
using Orleans.Raft.Grains;
using Orleans.Raft.Grains.Interfaces;
using Orleans.Raft.KeyValue;
using Orleans.Runtime;

namespace Orleans.Raft.Orleans.Tests;

/// <summary>What Orleans takes from attributes, types and defaults, and what would only show under load or after a
/// death.</summary>
public sealed class ShapeTests
{
    private static readonly TimeSpan LongestAttempt = TimeSpan.FromMilliseconds(500);

    [Fact]
    public void A_replicas_grain_interleaves_is_never_collected_and_lives_where_its_key_says()
    {
        Type grain = typeof(RaftPeerGrain);
        Assert.NotNull(grain.GetCustomAttribute<ReentrantAttribute>());
        Assert.NotNull(grain.GetCustomAttribute<KeepAliveAttribute>());
        Assert.NotNull(grain.GetCustomAttribute<SiloNamePlacementAttribute>());
        Assert.False(new SiloNamePlacement().IsUsingGrainDirectory);
        Assert.False(new SiloKeyPlacement().IsUsingGrainDirectory);
    }

    [Theory]
    [InlineData(typeof(KvGrain))]
    [InlineData(typeof(RouterGrain))]
    public void Grains_that_clients_call_interleave_and_serve_on_the_silo_that_was_entered(Type grain)
    {
        Assert.NotNull(grain.GetCustomAttribute<ReentrantAttribute>());
        Assert.NotNull(grain.GetCustomAttribute<StatelessWorkerAttribute>());
    }

    [Theory]
    [InlineData(typeof(RaftPeerGrain))]
    [InlineData(typeof(KvGrain))]
    [InlineData(typeof(RouterGrain))]
    [InlineData(typeof(SlotRegistryGrain))]
    public void No_grain_waits_for_a_directory_that_dies_with_a_silo(Type grain) =>
        Assert.Equal(NoDirectory.Name, grain.GetCustomAttribute<GrainDirectoryAttribute>()?.GrainDirectoryName);

    [Fact]
    public void The_transport_is_a_service_of_its_silo_that_takes_frames_while_others_are_taken()
    {
        Assert.True(typeof(GrainService).IsAssignableFrom(typeof(SiloTransport)));
        Assert.NotNull(typeof(SiloTransport).GetCustomAttribute<ReentrantAttribute>());
    }

    /// <summary>Else Orleans copies them deeply for every call within a silo.</summary>
    [Fact]
    public void Byte_payloads_are_immutable_for_Orleans()
    {
        Type[] interfaces = [typeof(IKvGrain), typeof(IRaftPeerGrain), typeof(IRouterGrain), typeof(ISiloTransport)];
        ParameterInfo[] payloads = [.. interfaces.SelectMany(i => i.GetMethods())
            .SelectMany(m => m.GetParameters()).Where(p => p.ParameterType.IsArray)];
        Assert.True(payloads.Length > 10);
        foreach (ParameterInfo payload in payloads)
        {
            Assert.True(payload.GetCustomAttribute<ImmutableAttribute>() is not null,
                $"{payload.Member.DeclaringType}.{payload.Member.Name}: {payload.Name}");
        }

        Type[] messages = [.. typeof(IKvGrain).Assembly.GetTypes().Where(t => t.IsPublic && t.IsClass
            && t.GetCustomAttribute<GenerateSerializerAttribute>() is not null && !t.IsSubclassOf(typeof(Exception)))];
        Assert.True(messages.Length > 8);
        foreach (Type message in messages)
            Assert.True(message.GetCustomAttribute<ImmutableAttribute>() is not null, $"{message}");
    }

    [Fact]
    public void Attempts_are_short_and_timers_slow_enough_for_Orleans()
    {
        Assert.True(new OrleansRaftClientOptions().AttemptTimeout <= LongestAttempt);
        var silo = new OrleansRaftOptions();
        // The silo gives up first, so that its answer still finds the client.
        Assert.True(silo.AttemptTimeout < LongestAttempt);
        Assert.True(silo.FrameTimeout <= LongestAttempt);
        // Timers are late by some milliseconds; elections must not be decided by that.
        var replica = new ReplicaOptions();
        Assert.True(replica.ElectionTimeout >= TimeSpan.FromMilliseconds(300));
        Assert.True(silo.TickPeriod >= TimeSpan.FromMilliseconds(15));
        Assert.True(3 * silo.TickPeriod <= replica.HeartbeatInterval);
        // Whatever is asked of another program ends long before Orleans' own 30 s, should its caller forget it.
        MethodInfo[] methods =
        [
            .. typeof(IRouterGrain).GetMethods(), .. typeof(ISiloTransport).GetMethods(),
            .. typeof(ISlotRegistryGrain).GetMethods(),
            typeof(IKvGrain).GetMethod(nameof(IKvGrain.Execute))!,
            typeof(IRaftPeerGrain).GetMethod(nameof(IRaftPeerGrain.Execute))!,
        ];
        foreach (MethodInfo method in methods.Where(m => m.GetCustomAttribute<OneWayAttribute>() is null))
        {
            TimeSpan? timeout = method.GetCustomAttribute<ResponseTimeoutAttribute>()?.Timeout;
            Assert.True(timeout <= TimeSpan.FromSeconds(5), $"{method.DeclaringType}.{method.Name}: {timeout}");
        }
    }
}
