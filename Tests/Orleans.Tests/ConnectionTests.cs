using System.Reflection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Orleans.Raft.Client;
using Orleans.Raft.Core;
using Orleans.Raft.Grains.Interfaces;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Orleans.Tests;

/// <summary>A client's tries against gateways that take calls and never answer.</summary>
public sealed class ConnectionTests
{
    private readonly List<long> _keys = [];
    private readonly ClusterConnection _connection;

    public ConnectionTests()
    {
        var options = new OrleansRaftClientOptions { AttemptTimeout = TimeSpan.FromMilliseconds(20) };
        _connection = new ClusterConnection(
            Silence.Of<IClusterClient>(_keys.Add), Options.Create(options), NullLogger<ClusterConnection>.Instance);
    }

    [Fact]
    public async Task A_gateway_that_never_answers_costs_one_attempt_and_the_next_enters_elsewhere()
    {
        var request = new GroupRequest(RequestKind.Write, new byte[10]);
        for (int i = 0; i < 3; i++)
        {
            GroupReply reply = await _connection.ExecuteAsync(new GroupId(1), request)
                .WaitAsync(RaftTestCluster.Deadline);
            Assert.Equal(GroupReplyStatus.Unknown, reply.Status);
        }
        Assert.Equal(3, _keys.Distinct().Count());
    }

    [Fact]
    public async Task A_map_that_never_comes_is_asked_for_elsewhere()
    {
        for (int i = 0; i < 3; i++)
            Assert.Null(await _connection.GetRoutesAsync().AsTask().WaitAsync(RaftTestCluster.Deadline));
        Assert.Equal(3, _keys.Distinct().Count());
    }

    /// <summary>A cluster whose grains never answer.</summary>
    public class Silence : DispatchProxy
    {
        private Action<long> _asked = _ => { };

        public static T Of<T>(Action<long> asked) where T : class
        {
            T proxy = Create<T, Silence>();
            ((Silence)(object)proxy)._asked = asked;
            return proxy;
        }

        protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
        {
            switch (targetMethod!.Name)
            {
                case nameof(IGrainFactory.GetGrain):
                    _asked((long)args![0]!);
                    bool isStore = targetMethod.ReturnType == typeof(IKvGrain);
                    return isStore ? Of<IKvGrain>(_asked) : Of<IRouterGrain>(_asked);
                case nameof(IKvGrain.Execute): return new TaskCompletionSource<GroupReplyMessage>().Task;
                case nameof(IRouterGrain.GetRoutes): return new TaskCompletionSource<RoutesMessage>().Task;
                default: throw new NotSupportedException(targetMethod.Name);
            }
        }
    }
}
