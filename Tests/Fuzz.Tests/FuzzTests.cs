using Xunit.Abstractions;

namespace Orleans.Raft.Fuzz.Tests;

/// <summary>A part of what <c>Tests/Fuzz</c> runs for hours: a fixed seed, and one that is new each time.</summary>
public sealed class FuzzTests(ITestOutputHelper output)
{
    private const long Inputs = 4_000;

    public static TheoryData<string> Names => [.. Targets.All.Select(target => target.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void No_input_crashes_hangs_takes_too_much_or_is_taken_for_what_it_is_not(string name)
    {
        FuzzTarget target = Targets.All.Single(target => target.Name == name);
        var fresh = (ulong)Random.Shared.NextInt64();
        output.WriteLine($"fresh seed {fresh} ({name})");
        using var watch = new HangWatch(hanging => Environment.FailFast(
            $"{hanging.Target.Name}: input {hanging.Number} of seed {hanging.Seed} does not end"));
        foreach (ulong seed in (ulong[])[1, fresh])
        {
            FuzzResult result = FuzzRun.Run(target, seed, 0, Inputs * target.Weight / 10, watch);
            Assert.True(result.Finding is null, result.Finding?.ToString());
            Assert.True(result.Accepted > 0 && result.Refused > 0 || name == "line-reader",
                $"{name}: {result.Accepted} accepted, {result.Refused} refused: this proves little");
        }
    }

    [Fact]
    public void The_same_number_is_the_same_input()
    {
        foreach (FuzzTarget target in Targets.All)
        {
            for (long number = 0; number < 20; number++)
                Assert.Equal(FuzzCase.Make(target, 5, number).Input, FuzzCase.Make(target, 5, number).Input);
        }
    }

    [Theory]
    [InlineData(Fault.Throws)]
    [InlineData(Fault.Allocates)]
    [InlineData(Fault.AcceptsDamage)]
    [InlineData(Fault.RefusesValid)]
    public void A_parser_with_a_fault_is_found_out_and_the_input_replays(Fault fault)
    {
        var target = new FaultyTarget(fault);
        using var watch = new HangWatch(_ => { });
        FuzzResult result = FuzzRun.Run(target, 1, 0, 2_000, watch);
        Assert.NotNull(result.Finding);
        Assert.Contains($"--number {result.Finding.Case.Number}", result.Finding.ToString(), StringComparison.Ordinal);
        FuzzResult again = FuzzRun.Run(target, 1, result.Finding.Case.Number, 1, watch);
        Assert.Equal(result.Finding.Case.Input, again.Finding!.Case.Input);
    }

    [Fact]
    public void A_sound_parser_is_not_found_out()
    {
        using var watch = new HangWatch(_ => { });
        FuzzResult result = FuzzRun.Run(new FaultyTarget(Fault.None), 1, 0, 2_000, watch);
        Assert.Null(result.Finding);
        Assert.InRange(result.Accepted, 100, 1_900);
    }

    public enum Fault
    {
        None,
        Throws,
        Allocates,
        AcceptsDamage,
        RefusesValid,
    }

    /// <summary>Some bytes and their sum, modulo 256.</summary>
    private sealed class FaultyTarget(Fault fault) : FuzzTarget
    {
        public override string Name => "faulty";

        public override bool IsChecksummed => true;

        public override byte[] Generate(FuzzRandom random) => Repair([.. random.Bytes(20), 0]);

        public override byte[] Repair(byte[] input) =>
            input.Length == 0 ? input : [.. input[..^1], Sum(input.AsSpan(0, input.Length - 1))];

        public override Reading Read(byte[] input)
        {
            bool isSound = input.Length > 0 && input[^1] == Sum(input.AsSpan(0, input.Length - 1));
            if (fault == Fault.Throws && isSound && input[0] == 0xFF) throw new FormatException();
            if (fault == Fault.Allocates && isSound && input.Length > 15) GC.KeepAlive(new byte[10_000]);
            if (fault == Fault.AcceptsDamage && input.Length > 0)
                isSound |= (byte)(input[^1] ^ 1) == Sum(input.AsSpan(0, input.Length - 1));
            if (fault == Fault.RefusesValid && input.Length == 9) isSound = false;
            return new Reading(isSound);
        }

        public override long AllocationBound(int inputLength) => 1_000;

        private static byte Sum(ReadOnlySpan<byte> bytes)
        {
            byte sum = 0;
            foreach (byte value in bytes) sum += value;
            return sum;
        }
    }
}
