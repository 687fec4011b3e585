namespace Orleans.Raft.Bench;

/// <summary>Where etcd is and how it is asked.</summary>
/// <param name="Connections">Per endpoint that is used.</param>
internal sealed record EtcdOptions(IReadOnlyList<string> Endpoints, EtcdTarget Target, int Connections);

/// <summary>Loads an etcd.</summary>
internal static class EtcdLoad
{
    private const int FillCallers = 64;

    /// <summary>Writes every key of a plan once, so that reads find them.</summary>
    public static async Task FillAsync(EtcdOptions options, LoadPlan plan, CancellationToken cancellationToken)
    {
        using EtcdClient client = await EtcdClient.ConnectAsync(
            options.Endpoints, options.Target, options.Connections, FillCallers, cancellationToken);
        byte[] value = plan.CreateValue();
        await Parallel.ForAsync(0, FillCallers, cancellationToken, async (caller, cancellation) =>
        {
            for (int number = caller; number < plan.Keys; number += FillCallers)
                await client.PutAsync(caller, Shell.LoadKeys.Key(number), value, cancellation);
        });
    }

    public static async Task<Measurement> RunAsync(EtcdOptions options, LoadKind kind, LoadPlan plan,
        CancellationToken cancellationToken)
    {
        using EtcdClient client = await EtcdClient.ConnectAsync(
            options.Endpoints, options.Target, options.Connections, plan.Clients, cancellationToken);
        byte[] value = plan.CreateValue();
        return await LoadRunner.RunAgainstOthersAsync(plan, kind switch
        {
            LoadKind.Put => (caller, key) => client.PutAsync(caller, key, value, cancellationToken),
            LoadKind.Get => async (caller, key) =>
            {
                int? length = await client.GetLengthAsync(caller, key, cancellationToken);
                if (length != value.Length) throw new InvalidDataException($"A value of {value.Length} bytes was "
                    + $"written, {length?.ToString() ?? "none"} found.");
            },
            _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "etcd has no such operation."),
        }, cancellationToken);
    }
}
