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
    Func<Task<IReadOnlyList<NodeReport>>> statusAsync, Func<CancellationToken, Task> restartAsync)
{
    /// <summary>Some segments of the log, and what it is about to give up.</summary>
    private const long LeastDiskBytes = 32 << 20;

    /// <summary>What an operation leaves behind for good (measured: 5), several times, as two snapshots and the log
    /// may hold it.</summary>
    private const double BytesPerOperation = 32;

    /// <summary>At five bytes an operation, days at the usual rate.</summary>
    private const long MostDiskBytes = 512 << 20;

    private const int Writes = 96;
    private const int WriteBytes = 64 << 10;
    private static readonly TimeSpan Period = TimeSpan.FromMilliseconds(200);

    /// <summary>How large the disk must be, which is memory while it is full: as small as a run of this length
    /// permits.</summary>
    public static long DiskBytes(TimeSpan duration, double operationsPerSecond) =>
        (long)Math.Min(MostDiskBytes, LeastDiskBytes + BytesPerOperation * operationsPerSecond * duration.TotalSeconds);

    public async Task RunAsync(Random random, Action<string> say, CancellationToken cancellation)
    {
        TimeSpan duration = TimeSpan.FromSeconds(2 + random.NextDouble() * 3);
        say($"full: no room on the disk of {node} for {duration.TotalSeconds:F1} s");
        Task growing = Task.CompletedTask;
        // Whatever happens, the room comes back, and nobody goes on writing.
        try
        {
            disk.Fill();
            growing = GrowLogAsync(cancellation);
            for (TimeSpan waited = TimeSpan.Zero; waited < duration || !growing.IsCompleted; waited += Period)
            {
                await Task.Delay(Period, cancellation);
                disk.Fill();
            }
        }
        finally
        {
            disk.Free();
            await growing;
        }
        bool failed = (await statusAsync()).Any(report => report.Node == node && report.HasFailed);
        say($"full: {node} has room again{(failed ? "; it had stopped and is started again" : " and had gone on")}");
        if (failed) await restartAsync(cancellation);
    }

    /// <summary>Several of the log's files, over the same few keys of every group.</summary>
    private async Task GrowLogAsync(CancellationToken cancellation)
    {
        for (int i = 0; i < Writes && !cancellation.IsCancellationRequested; i++)
        {
            byte[] key = Encoding.UTF8.GetBytes($"{Keys.FirstCharacters[i % Keys.FirstCharacters.Length]}bulk");
            try
            {
                await store.PutAsync(key, RandomNumberGenerator.GetBytes(WriteBytes),
                    cancellationToken: CancellationToken.None);
            }
            catch (Exception refused) when (refused is UnavailableException or OutcomeUnknownException)
            {
                // One write more or less makes no difference.
            }
        }
    }
}
