using Orleans.Raft.Core;
using Orleans.Raft.Testing;

namespace Orleans.Raft.Storage.PostgreSql.Tests;

/// <summary>When a flush begins.</summary>
public sealed class SlotGatheringTests
{
    private static readonly TimeSpan s_flush = TimeSpan.FromMilliseconds(4);

    private readonly SlotMachine _machine = new();
    private readonly Replica _first;
    private readonly Replica _second;

    /// <summary>Two groups have just written together, twice.</summary>
    public SlotGatheringTests()
    {
        _machine.Open();
        _first = _machine.OpenReplica(G1);
        _second = _machine.OpenReplica(G2);
        WriteTogether(s_flush);
        WriteTogether(s_flush);
    }

    private int Begun => _machine.Database.Asked[DatabaseQuestion.Flush];

    [Fact]
    public void A_flush_waits_for_the_groups_that_wrote_just_before_and_takes_them_together()
    {
        int before = Begun;
        Submit(_first);
        Pass(s_flush - TimeSpan.FromMilliseconds(1));
        Assert.Equal(before, Begun);
        Submit(_second);
        Assert.Equal(before + 1, Begun);
        _machine.Settle();
        Assert.Equal((3ul, 3ul, before + 1), (_first.Observer.Durable, _second.Observer.Durable, Begun));
    }

    [Fact]
    public void It_does_not_wait_longer_than_the_last_flush_took_nor_again_for_who_did_not_come()
    {
        int before = Begun;
        Submit(_first);
        Assert.Equal(before, Begun);
        Pass(s_flush);
        Assert.Equal(before + 1, Begun);
        Pass(s_flush); // It is answered at this very moment.
        Assert.Equal(3ul, _first.Observer.Durable);
        Submit(_first);
        Assert.Equal(before + 2, Begun);
    }

    [Fact]
    public void Who_writes_alone_never_waits_whatever_the_group()
    {
        Submit(_first);
        _machine.Settle();
        int before = Begun;
        for (int flush = 1; flush <= 4; flush++)
        {
            Submit(flush % 2 == 0 ? _first : _second);
            Assert.Equal(before + flush, Begun);
            Pass(s_flush);
        }
    }

    [Fact]
    public void Groups_that_write_in_turns_come_together()
    {
        int before = Begun;
        Submit(_first);
        Pass(s_flush);
        Assert.Equal(before + 1, Begun);
        Submit(_second); // While the other's flush is under way.
        Pass(s_flush);
        Assert.Equal((3ul, 2ul, before + 1), (_first.Observer.Durable, _second.Observer.Durable, Begun));
        Submit(_first);
        Assert.Equal(before + 2, Begun);
        Pass(s_flush);
        Assert.Equal((4ul, 3ul), (_first.Observer.Durable, _second.Observer.Durable));
    }

    [Fact]
    public void It_does_not_wait_longer_than_allowed()
    {
        WriteTogether(TimeSpan.FromSeconds(1));
        int before = Begun;
        Submit(_first);
        Pass(_machine.Options.GatherLimit - TimeSpan.FromMilliseconds(1));
        Assert.Equal(before, Begun);
        Pass(TimeSpan.FromMilliseconds(1));
        Assert.Equal(before + 1, Begun);
    }

    /// <summary>A timer counts whole milliseconds: it would end at once what is shorter.</summary>
    [Fact]
    public void After_a_flush_of_less_than_a_millisecond_it_waits_for_one()
    {
        WriteTogether(TimeSpan.FromMilliseconds(0.4));
        WriteTogether(TimeSpan.FromMilliseconds(0.4));
        int before = Begun;
        Submit(_first);
        _machine.Time.Advance(TimeSpan.FromMilliseconds(0.9));
        _machine.Scheduler.RunUntilIdle();
        Assert.Equal(before, Begun);
        Pass(TimeSpan.FromMilliseconds(1));
        Assert.Equal(before + 1, Begun);
    }

    [Fact]
    public void With_a_limit_of_zero_it_never_waits()
    {
        var machine = new SlotMachine { GatherLimit = TimeSpan.Zero };
        machine.Open();
        Replica first = machine.OpenReplica(G1), second = machine.OpenReplica(G2);
        machine.Database.SlowDown(s_flush, s_flush);
        for (ulong index = 1; index <= 2; index++)
        {
            first.Submit(Entries(index, 1));
            second.Submit(Entries(index, 1));
            machine.Settle();
        }
        int before = machine.Database.Asked[DatabaseQuestion.Flush];
        first.Submit(Entries(3, 1));
        machine.Scheduler.RunUntilIdle();
        Assert.Equal(before + 1, machine.Database.Asked[DatabaseQuestion.Flush]);
    }

    [Theory]
    [InlineData(0, true)]
    [InlineData(100, true)]
    [InlineData(-1, false)]
    [InlineData(101, false)]
    public void The_limit_has_a_range(int milliseconds, bool isAllowed)
    {
        DatabaseStorageOptions options =
            _machine.Options with { GatherLimit = TimeSpan.FromMilliseconds(milliseconds) };
        Assert.Equal(isAllowed ? [] : ["GatherLimit must be from 0 to 100 ms."], options.Validate());
    }

    [Fact]
    public void A_write_long_after_the_last_flush_goes_at_once()
    {
        int before = Begun;
        Pass(s_flush);
        Submit(_first);
        Assert.Equal(before + 1, Begun);
    }

    [Fact]
    public void What_is_no_write_goes_at_once_and_takes_along_what_waits()
    {
        int before = Begun;
        Submit(_first);
        Assert.Equal(before, Begun);
        Task<IReplicaStorage> opening =
            _machine.Start(() => _machine.Slot.OpenReplicaAsync(G3, new ReplicaId(1)).AsTask());
        _machine.Scheduler.RunUntilIdle();
        Assert.Equal(before + 1, Begun);
        _machine.Settle();
        Assert.Equal((3ul, true, before + 1), (_first.Observer.Durable, opening.IsCompletedSuccessfully, Begun));
    }

    [Fact]
    public void A_storage_that_closes_does_not_wait()
    {
        Submit(_first);
        TimeSpan before = _machine.Time.Now;
        _machine.Run(() => _machine.Slot.CrashAsync().AsTask());
        Assert.Equal(before, _machine.Time.Now);
    }

    private void Pass(TimeSpan time)
    {
        var step = TimeSpan.FromMilliseconds(1);
        for (TimeSpan passed = TimeSpan.Zero; passed < time; passed += step)
        {
            _machine.Time.Advance(step);
            _machine.Scheduler.RunUntilIdle();
        }
    }

    private void WriteTogether(TimeSpan takes)
    {
        _machine.Database.SlowDown(takes, takes);
        int before = Begun;
        ulong index = _first.Observer.Durable + 1;
        _first.Submit(Entries(index, 1));
        _second.Submit(Entries(index, 1));
        _machine.Settle();
        Assert.Equal((index, index, before + 1), (_first.Observer.Durable, _second.Observer.Durable, Begun));
    }

    private void Submit(Replica replica)
    {
        replica.Submit(Entries(replica.Observer.Durable + 1, 1));
        _machine.Scheduler.RunUntilIdle();
    }
}
