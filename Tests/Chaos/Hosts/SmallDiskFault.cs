using System.Security.Cryptography;
using System.Text;
using Orleans.Raft.KeyValue;
using Orleans.Raft.Processes;

namespace Orleans.Raft.Chaos;

/// <summary>Fills the small disk of the last node while writes go on, and gives the room back.</summary>
/// <param name="node">Whose disk it is.</param>
/// <param name="store">Takes the writes that make the log grow.</param>
/// <param name="statusAsync">What the nodes say.</param>
/// <param name="restartAsync">Starts the node again, as its operator has to if it stopped.</param>
public sealed class SmallDiskFault(SmallDisk disk, string node, IKeyValueStore store,
    Func<Task<IReadOnlyList<NodeReport>>> statusAsync, Func<Task> restartAsync)
{
    /// <summary>Room for hours of a run at its usual rate.</summary>
    public const long DiskBytes = 512 << 20;

    private const int Writes = 96;
    private const int WriteBytes = 64 << 10;
    private static readonly TimeSpan Period = TimeSpan.FromMilliseconds(200);

    public async Task RunAsync(Random random, Action<string> say, CancellationToken cancellation)
    {
        TimeSpan duration = TimeSpan.FromSeconds(2 + random.NextDouble() * 3);
        say($"full: no room on the disk of {node} for {duration.TotalSeconds:F1} s");
        // Whatever happens, the room comes back.
        try
        {
            disk.Fill();
            Task growing = GrowLogAsync();
            for (TimeSpan waited = TimeSpan.Zero; waited < duration || !growing.IsCompleted; waited += Period)
            {
                await Task.Delay(Period, cancellation);
                disk.Fill();
            }
            await growing;
        }
        finally
        {
            disk.Free();
        }
        bool failed = (await statusAsync()).Any(report => report.Node == node && report.HasFailed);
        say($"full: {node} has room again{(failed ? "; it had stopped and is started again" : " and had gone on")}");
        if (failed) await restartAsync();
    }

    /// <summary>Several of the log's files, over the same few keys of every group.</summary>
    private async Task GrowLogAsync()
    {
        for (int i = 0; i < Writes; i++)
        {
            byte[] key = Encoding.UTF8.GetBytes($"{Keys.FirstCharacters[i % Keys.FirstCharacters.Length]}bulk");
            try
            {
                await store.PutAsync(key, RandomNumberGenerator.GetBytes(WriteBytes));
            }
            catch (Exception refused) when (refused is UnavailableException or OutcomeUnknownException)
            {
                // One write more or less makes no difference.
            }
        }
    }
}
