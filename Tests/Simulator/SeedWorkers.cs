namespace Orleans.Raft.Simulator;

/// <summary>Runs seeds on as many threads as there are processors.</summary>
internal static class SeedWorkers
{
    /// <param name="work">Is given 0, 1, 2, ... and is not called any more once it has returned false. It may run on
    /// several threads at once.</param>
    /// <exception cref="InvalidOperationException">The work failed; says for which seed.</exception>
    public static void Run(ulong firstSeed, int workers, Func<int, bool> work)
    {
        int next = -1;
        InvalidOperationException? failed = null;
        Thread[] threads = [.. Enumerable.Range(0, workers).Select(_ => new Thread(() =>
        {
            while (Volatile.Read(ref failed) is null)
            {
                int number = Interlocked.Increment(ref next);
                try
                {
                    if (!work(number)) return;
                }
#pragma warning disable CA1031 // Thrown again where the threads were started.
                catch (Exception failure)
#pragma warning restore CA1031
                {
                    Interlocked.CompareExchange(ref failed, new InvalidOperationException(
                        $"Seed {firstSeed + (ulong)number}: {failure.Message}", failure), null);
                }
            }
        }))];
        foreach (Thread thread in threads) thread.Start();
        foreach (Thread thread in threads) thread.Join();
        if (failed is not null) throw failed;
    }
}
