using Orleans.Raft.Testing;

namespace Orleans.Raft.Storage.Tests;

/// <summary>The simulated parts themselves: a test on a disk that forgets nothing would prove nothing.</summary>
public sealed class SimulationTests
{
    private static async Task<IDiskFile> MakeAsync(SimulatedDisk disk, string path, int bytes)
    {
        IDiskFile file = await disk.OpenAsync(path, create: true);
        await file.WriteAndFlushAsync(0, Content(bytes));
        await disk.FlushDirectoryAsync("");
        return file;
    }

    [Fact]
    public async Task A_crash_forgets_bytes_that_were_not_flushed()
    {
        var disk = new SimulatedDisk();
        IDiskFile file = await MakeAsync(disk, "a", 2000);
        await file.WriteAsync(500, new byte[3000]);
        Assert.Equal(3500, disk.ReadAll("a").Length);
        disk.Crash();
        Assert.Equal(Content(2000), disk.ReadAll("a"));
        await Assert.ThrowsAsync<DiskException>(async () => await file.FlushAsync());
    }

    [Fact]
    public async Task A_random_crash_tears_writes_by_sectors()
    {
        var outcomes = new HashSet<string>();
        for (int seed = 0; seed < 100; seed++)
        {
            var disk = new SimulatedDisk(seed);
            IDiskFile file = await MakeAsync(disk, "a", 4 * 512);
            await file.WriteAsync(0, new byte[4 * 512]);
            disk.Crash(CrashLoss.Random);
            byte[] found = disk.ReadAll("a");
            outcomes.Add(string.Concat(Enumerable.Range(0, 4).Select(sector =>
            {
                Span<byte> bytes = found.AsSpan(sector * 512, 512);
                bool isNew = !bytes.ContainsAnyExcept((byte)0);
                Assert.True(isNew || bytes.SequenceEqual(Content(4 * 512).AsSpan(sector * 512, 512)));
                return isNew ? "n" : "o";
            })));
        }
        Assert.True(outcomes.Count > 12, string.Join(" ", outcomes));
    }

    [Fact]
    public async Task A_crash_forgets_names_that_were_not_flushed_but_never_half_a_rename()
    {
        var disk = new SimulatedDisk();
        await MakeAsync(disk, "a", 10);
        await disk.RenameAsync("a", "b");
        await (await disk.OpenAsync("c", create: true)).WriteAndFlushAsync(0, Content(10));
        disk.Crash();
        Assert.Equal(["a"], disk.Files);
        int renamed = 0;
        for (int seed = 0; seed < 50; seed++)
        {
            var random = new SimulatedDisk(seed);
            await MakeAsync(random, "a", 10);
            await random.RenameAsync("a", "b");
            random.Crash(CrashLoss.Random);
            renamed += Assert.Single(random.Files) == "b" ? 1 : 0;
        }
        Assert.InRange(renamed, 5, 45);
        await disk.RenameAsync("a", "b");
        await disk.FlushDirectoryAsync("");
        disk.Crash();
        Assert.Equal(["b"], disk.Files);
        await disk.DeleteAsync("b");
        disk.Crash();
        Assert.Equal(["b"], disk.Files);
    }

    [Fact]
    public async Task What_lies_in_a_directory_that_was_not_flushed_is_lost()
    {
        var disk = new SimulatedDisk();
        await disk.CreateDirectoryAsync("log");
        await (await disk.OpenAsync("log/a", create: true)).WriteAndFlushAsync(0, Content(10));
        await disk.FlushDirectoryAsync("log");
        disk.Crash();
        Assert.Empty(disk.Files);
    }

    [Fact]
    public async Task Faults_happen_when_asked_for()
    {
        var disk = new SimulatedDisk { FreeBytes = 100 };
        IDiskFile file = await MakeAsync(disk, "a", 60);
        Assert.Equal(DiskFailure.Full,
            (await Assert.ThrowsAsync<DiskException>(async () => await file.WriteAsync(0, new byte[101]))).Failure);
        await file.WriteAsync(60, new byte[40]);
        disk.FailNext(DiskOperationKind.Flush, "a");
        await Assert.ThrowsAsync<DiskException>(async () => await file.FlushAsync());
        disk.Rot("a", 3, 0x80);
        Assert.Equal(Content(60)[3] ^ 0x80, disk.ReadAll("a")[3]);
        disk.PowerOffAfter(1);
        await file.FlushAsync();
        await Assert.ThrowsAsync<DiskException>(async () => await file.FlushAsync());
        disk.Crash();
        Assert.Equal(Content(60)[3] ^ 0x80, disk.ReadAll("a")[3]);
        await using IAsyncDisposable held = await disk.LockAsync("lock");
        Assert.Equal(DiskFailure.InUse,
            (await Assert.ThrowsAsync<DiskException>(async () => await disk.LockAsync("lock"))).Failure);
    }

    [Fact]
    public void Latency_orders_operations_by_virtual_time()
    {
        var scheduler = new DeterministicScheduler();
        var time = new VirtualTime(scheduler);
        var disk = new SimulatedDisk
        {
            Latency = operation => new ValueTask(
                Task.Delay(TimeSpan.FromMilliseconds(operation.Kind == DiskOperationKind.Flush ? 10 : 1), time)),
        };
        var done = new List<string>();
        _ = scheduler.Start(async () =>
        {
            IDiskFile file = await disk.OpenAsync("a", create: true);
            Task write = file.WriteAndFlushAsync(0, Content(10)).AsTask();
            Task later = file.WriteAsync(0, new byte[10]).AsTask(); // Waits for its turn.
            await write;
            done.Add($"flushed {time.Now.TotalMilliseconds}");
            await later;
            done.Add($"written {time.Now.TotalMilliseconds}");
        });
        time.Advance(TimeSpan.FromMilliseconds(5));
        Assert.Equal(Content(10), disk.ReadAll("a"));
        time.Advance(TimeSpan.FromMilliseconds(50));
        Assert.Equal(["flushed 11", "written 12"], done);
    }

    [Fact]
    public void A_slow_disk_takes_its_time_for_writes_and_flushes_and_keeps_their_order()
    {
        var scheduler = new DeterministicScheduler();
        var time = new VirtualTime(scheduler);
        var disk = new SimulatedDisk(3);
        disk.SlowDown(time, TimeSpan.FromMilliseconds(5), TimeSpan.FromMilliseconds(20));
        var took = new List<TimeSpan>();
        var order = new List<int>();
        TimeSpan Timed(Func<IDiskFile, Task> work)
        {
            TimeSpan start = time.Now, end = start;
            _ = scheduler.Start(async () =>
            {
                await work(await disk.OpenAsync("a", create: true));
                end = time.Now;
            });
            time.Advance(TimeSpan.FromSeconds(5));
            return end - start;
        }

        for (int i = 0; i < 20; i++) took.Add(Timed(file => file.WriteAsync(0, new byte[10]).AsTask()));
        Assert.All(took, t => Assert.InRange(t.TotalMilliseconds, 5, 20));
        Assert.True(took.Distinct().Count() > 10);
        Assert.InRange(Timed(file => file.WriteAndFlushAsync(0, new byte[10]).AsTask()).TotalMilliseconds, 10, 40);
        Assert.Equal(TimeSpan.Zero, Timed(file => file.ReadAsync(0, new byte[10]).AsTask()));
        Timed(file => Task.WhenAll(Enumerable.Range(0, 20).Select(async i =>
        {
            await file.WriteAsync(0, new byte[10]);
            order.Add(i);
        })));
        Assert.Equal(Enumerable.Range(0, 20), order);
        disk.SlowDown(time, TimeSpan.Zero, TimeSpan.Zero);
        Assert.Equal(TimeSpan.Zero, Timed(file => file.WriteAndFlushAsync(0, new byte[10]).AsTask()));
    }

    [Fact]
    public void A_random_crash_leaves_the_batch_under_way_whole_torn_or_not_at_all()
    {
        var found = new SortedDictionary<string, int> { ["none"] = 0, ["torn"] = 0, ["whole"] = 0 };
        for (int seed = 0; seed < 60; seed++)
        {
            var machine = new Machine(new SimulatedDisk(seed)) { Logger = new LogLines() };
            machine.Open();
            Replica replica = machine.OpenReplica(Machine.G1);
            replica.Write(Machine.Entries(1, 1));
            machine.Disk.HangFlushes();
            replica.Submit(Machine.Entries(2, 1, bytes: 1500));
            machine.Scheduler.RunUntilIdle();
            machine.Reopen(CrashLoss.Random);
            int entries = machine.OpenReplica(Machine.G1).State.Entries.Length;
            bool cut = ((LogLines)machine.Logger).Lines.Exists(line =>
                line.Contains("unfinished batch", StringComparison.Ordinal));
            Assert.False(cut && entries == 2);
            found[entries == 2 ? "whole" : cut ? "torn" : "none"]++;
        }
        Assert.All(found, outcome => Assert.True(outcome.Value >= 3, string.Join(" ", found)));
    }

    [Fact]
    public void Rot_before_the_last_batch_is_noticed_by_every_restart()
    {
        var places = new SortedSet<string>();
        for (int seed = 0; seed < 200; seed++)
        {
            var random = new Random(seed);
            var machine = new Machine(new SimulatedDisk(seed), segmentBytes: 16 << 10);
            machine.Open();
            Replica replica = machine.OpenReplica(Machine.G1);
            for (int i = random.Next(1, 60); i > 0; i--)
                replica.Write(Machine.Entries(replica.Number + 1, 1, bytes: random.Next(1, 3000)));
            // What is not durable is no batch yet.
            machine.Disk.HangFlushes();
            replica.Submit(Machine.Entries(replica.Number + 1, 1, bytes: 700));
            machine.Scheduler.RunUntilIdle();
            (string path, long offset) = Assert.NotNull(machine.Disk.RotDurable(random));
            places.Add(path);
            machine.PowerCrash((CrashLoss)random.Next(3));
            CorruptionException refused = Assert.Throws<CorruptionException>(() => machine.Open());
            Assert.Equal(path, refused.Path);
            Assert.True(refused.OffsetBytes <= offset, $"seed {seed}: {refused.Message}, but it is at {offset}");
        }
        Assert.True(places.Count > 3, string.Join(" ", places));
    }

    [Fact]
    public void A_log_of_one_batch_has_no_place_for_rot()
    {
        var machine = new Machine();
        Assert.Null(machine.Disk.RotDurable(new Random(1)));
        machine.Open();
        byte[] before = machine.Disk.ReadAll("log/00000001.log");
        Assert.Null(machine.Disk.RotDurable(new Random(1)));
        Assert.Equal(before, machine.Disk.ReadAll("log/00000001.log"));
    }

    [Fact]
    public async Task A_wiped_disk_is_empty_and_has_no_faults()
    {
        var disk = new SimulatedDisk { FreeBytes = 10_000 };
        await using IAsyncDisposable held = await disk.LockAsync("lock");
        IDiskFile file = await MakeAsync(disk, "a", 100);
        disk.Deny("a");
        disk.FailNext(DiskOperationKind.Flush);
        disk.HangFlushes();
        disk.Wipe();
        Assert.Empty(disk.Files);
        await Assert.ThrowsAsync<DiskException>(async () => await file.WriteAsync(0, new byte[1]));
        disk.Crash(CrashLoss.Nothing);
        Assert.Empty(disk.Files);
        await using IAsyncDisposable again = await disk.LockAsync("lock");
        await MakeAsync(disk, "a", 20_000);
        Assert.Equal(Content(20_000), disk.ReadAll("a"));
    }

    [Fact]
    public void Timers_fire_in_order_and_only_when_time_moves()
    {
        var time = new VirtualTime();
        var fired = new List<string>();
        using ITimer late = time.CreateTimer(_ => fired.Add($"late {time.Now.TotalSeconds}"), null,
            TimeSpan.FromSeconds(3), Timeout.InfiniteTimeSpan);
        using ITimer periodic = time.CreateTimer(_ => fired.Add($"periodic {time.Now.TotalSeconds}"), null,
            TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(2));
        using ITimer stopped =
            time.CreateTimer(_ => fired.Add("stopped"), null, TimeSpan.FromSeconds(2), Timeout.InfiniteTimeSpan);
        stopped.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        Assert.Equal(TimeSpan.FromSeconds(1), time.UntilNextTimer);
        Assert.Empty(fired);
        time.Advance(TimeSpan.FromSeconds(4));
        Assert.Equal(["periodic 1", "late 3", "periodic 3"], fired);
        periodic.Dispose();
        time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal(3, fired.Count);
        Assert.Null(time.UntilNextTimer);
        Assert.Equal(TimeSpan.FromSeconds(14), time.Now);
        Assert.Equal(14, time.GetElapsedTime(0).TotalSeconds);
    }

    [Fact]
    public void One_seed_gives_one_order_and_another_seed_another()
    {
        static string Order(int? seed)
        {
            var scheduler = new DeterministicScheduler(seed);
            var order = new List<int>();
            scheduler.Run(() => Task.WhenAll(Enumerable.Range(0, 8).Select(async i =>
            {
                await Task.Yield();
                order.Add(i);
                await Task.Yield();
                order.Add(i);
            })));
            return string.Join(",", order);
        }

        Assert.Equal("0,1,2,3,4,5,6,7,0,1,2,3,4,5,6,7", Order(null));
        Assert.Equal(Order(5), Order(5));
        Assert.NotEqual(Order(5), Order(6));
    }

    [Theory]
    [InlineData(null)]
    [InlineData(7)]
    public void A_paused_lane_keeps_its_tasks_in_order_and_a_discarded_one_loses_them(int? seed)
    {
        var scheduler = new DeterministicScheduler(seed);
        NodeScheduler paused = scheduler.CreateLane(), other = scheduler.CreateLane(), lost = scheduler.CreateLane();
        var ran = new List<string>();
        void Queue(NodeScheduler lane, string what) => _ = lane.Start(async () =>
        {
            ran.Add(what);
            await Task.Yield();
            Assert.Same(lane, TaskScheduler.Current);
            ran.Add(what + "'");
        });

        Queue(paused, "p1");
        Queue(other, "o1");
        Queue(lost, "l1");
        paused.Pause();
        lost.Discard();
        Queue(paused, "p2");
        Queue(other, "o2");
        Queue(lost, "l2");
        scheduler.RunUntilIdle();
        Assert.Equal(["o1", "o1'", "o2", "o2'"], ran.Order());
        ran.Clear();
        paused.Resume();
        scheduler.RunUntilIdle();
        Assert.Equal(["p1", "p1'", "p2", "p2'"], ran.Order());
        if (seed is null) Assert.Equal(["p1", "p2", "p1'", "p2'"], ran);
        ran.Clear();
        Queue(paused, "p3");
        paused.Pause();
        paused.Discard();
        paused.Resume();
        scheduler.RunUntilIdle();
        Assert.Empty(ran);
    }

    [Fact]
    public void A_nodes_clock_drifts_and_jumps_and_never_goes_back()
    {
        var scheduler = new DeterministicScheduler();
        var time = new VirtualTime(scheduler);
        NodeScheduler lane = scheduler.CreateLane();
        var clock = new NodeClock(time, lane);
        var fired = new List<string>();
        string Now() => $"{time.Now.TotalSeconds:0.###}/{clock.GetElapsedTime(0).TotalSeconds:0.###}";
        using ITimer once = clock.CreateTimer(_ => fired.Add($"once {Now()}"), null, TimeSpan.FromSeconds(3),
            Timeout.InfiniteTimeSpan);
        using ITimer periodic = clock.CreateTimer(_ =>
        {
            Assert.Same(lane, TaskScheduler.Current);
            fired.Add(Now());
        }, null, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1));
        time.Advance(TimeSpan.FromSeconds(1.5));
        clock.Rate = 2;
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(["1/1", "1.75/2", "once 2.25/3", "2.25/3"], fired);
        fired.Clear();
        clock.Rate = 0.5; // It shows 3.5.
        time.Advance(TimeSpan.FromSeconds(1.5));
        Assert.Equal(["3.5/4"], fired);
        fired.Clear();
        clock.Jump(TimeSpan.FromSeconds(10)); // From 4.25; what was passed over is not made up for.
        time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(["4/14.25", "6/15.25"], fired);
        fired.Clear();
        Assert.Throws<ArgumentOutOfRangeException>(() => clock.Jump(TimeSpan.FromTicks(-1)));
        Assert.Throws<ArgumentOutOfRangeException>(() => clock.Rate = 0);

        DateTimeOffset wall = clock.GetUtcNow();
        clock.ShiftWallClock(TimeSpan.FromHours(-1));
        Assert.Equal(wall - TimeSpan.FromHours(1), clock.GetUtcNow());
        Assert.Equal(15.25, clock.GetElapsedTime(0).TotalSeconds, 6);

        clock.Rate = 1;
        lane.Pause();
        time.Advance(TimeSpan.FromSeconds(10));
        Assert.Empty(fired);
        lane.Resume();
        time.Advance(TimeSpan.Zero);
        Assert.Single(fired); // However often it was due.
        periodic.Dispose();
        time.Advance(TimeSpan.FromSeconds(5));
        Assert.Single(fired);
    }

    [Fact]
    public void A_clock_shows_no_earlier_time_than_before_whatever_is_done_to_it()
    {
        var random = new Random(1);
        var scheduler = new DeterministicScheduler();
        var time = new VirtualTime(scheduler);
        var clock = new NodeClock(time, scheduler.CreateLane());
        int fired = 0;
        using ITimer timer =
            clock.CreateTimer(_ => fired++, null, TimeSpan.FromMilliseconds(20), TimeSpan.FromMilliseconds(20));
        long last = 0;
        for (int i = 0; i < 10_000; i++)
        {
            switch (random.Next(6))
            {
                case 0: clock.Rate = 0.1 + random.NextDouble() * 3; break;
                case 1: clock.Jump(TimeSpan.FromTicks(random.Next(1000))); break;
                case 2: clock.ShiftWallClock(TimeSpan.FromTicks(random.Next(-1000, 1000))); break;
                default: time.Advance(TimeSpan.FromTicks(random.Next(100_000))); break;
            }
            long now = clock.GetTimestamp();
            Assert.True(now >= last, $"step {i}: {now} after {last}");
            last = now;
        }
        Assert.InRange(fired, last / 200_000 - 1, last / 200_000 + 1);
    }

    [Fact]
    public void Work_that_waits_for_ever_is_reported()
    {
        var scheduler = new DeterministicScheduler();
        Assert.Throws<InvalidOperationException>(() => scheduler.Run(() => new TaskCompletionSource().Task));
        Assert.Throws<DivideByZeroException>(() => scheduler.Run(async () =>
        {
            await Task.Yield();
            throw new DivideByZeroException();
        }));
    }
}
