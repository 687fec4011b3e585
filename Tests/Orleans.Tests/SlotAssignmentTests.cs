using Orleans.Raft.Grains;

namespace Orleans.Raft.Orleans.Tests;

/// <summary>Which silo gets which slot. A slot is written <c>zone+number</c>, as in <c>a1</c>; silos are A, B, C...</summary>
public sealed class SlotAssignmentTests
{
    [Theory]
    [InlineData("a1 b2 c3", "A:a1 B:b2 C:c3")]
    [InlineData("a1 b2 c3 a4 b5 c6", "A:a1,a4 B:b2,b5 C:c3,c6")]
    [InlineData("-1 -2 -3 -4", "A:-1,-4 B:-2 C:-3")]
    [InlineData("a1", "A:a1 B: C:")]
    public void New_slots_go_to_the_silo_that_has_the_fewest_zones_together(string slots, string expected)
    {
        SlotRow[] rows = SlotAssignment.Next([], Up(expected), Candidates(expected, slots));
        Assert.Equal(expected, Describe(rows, expected));
        Assert.Equal(rows, SlotAssignment.Next(rows, Up(expected), Candidates(expected, slots)));
    }

    [Theory]
    // To the one that has the fewest, of those to where its zone is.
    [InlineData("A:a1 B:b2 C:c3", "C", "A:a1,c3 B:b2")]
    [InlineData("A:a1,a4 B:b2,b5 C:a3,b6", "C", "A:a1,a3,a4 B:b2,b5,b6")]
    [InlineData("A:a1,a2 B:b2 C:a3", "C", "A:a1,a2 B:a3,b2")]
    // Both at once.
    [InlineData("A:a1 B:b2 C:c3", "B C", "A:a1,b2,c3")]
    // Nobody is left, then somebody comes.
    [InlineData("A:a1 B:b2", "A B", "")]
    public void Slots_of_silos_that_are_gone_move_and_no_others(string before, string gone, string after)
    {
        SlotRow[] rows = Parse(before);
        string all = before.Split(' ').Select(silo => silo[(silo.IndexOf(':') + 1)..]).Aggregate((a, b) => $"{a},{b}");
        string left = string.Join(' ', before.Split(' ').Where(silo => !gone.Contains(silo[0])));
        SlotRow[] next = SlotAssignment.Next(rows, Up(left), Candidates(left, all.Replace(',', ' ')));
        Assert.Equal(after, Describe(next, left));
        string[] moved = [.. next.Where(row => row.Holder != rows.Single(r => r.Slot == row.Slot).Holder)
            .Select(row => row.Slot)];
        Assert.Equal(rows.Where(row => gone.Contains(row.Holder!.Silo)).Select(row => row.Slot), moved);
        // Each change has a number of its own.
        Assert.All(next, row => Assert.True(row.Number > rows.Single(r => r.Slot == row.Slot).Number
            == moved.Contains(row.Slot)));
    }

    [Theory]
    [InlineData("A:a1 B:b2,c3 C:", "c3", "A:a1 B:b2 C:c3")]
    [InlineData("A:a1,b2,c3 B: C:", "c3 b2", "A:a1 B:c3 C:b2")]
    // What stands alone moves first, and to where its like are.
    [InlineData("A:a1,a4,c6 B:b2,b5,c3 C:", "c6 c3", "A:a1,a4 B:b2,b5 C:c3,c6")]
    // One more is no reason to move anything.
    [InlineData("A:a1,b2 B:c3", "", "A:a1,b2 B:c3")]
    [InlineData("A:a1 B:b2 C:c3 D:", "", "A:a1 B:b2 C:c3 D:")]
    public void Silos_even_out_one_slot_at_a_time(string before, string released, string after)
    {
        SlotRow[] rows = Parse(before);
        var order = new List<string>();
        while (true)
        {
            SlotRow[] next = Next(rows);
            if (next.SequenceEqual(rows)) break;
            SlotRow asked = Assert.Single(next, row => row.IsReleasing);
            order.Add(asked.Slot);
            // Nothing happens before the holder has said so, and one that answers another question is not heard.
            Assert.Equal(next, Next(next));
            Assert.Equal(next, SlotAssignment.Released(next, asked.Slot, asked.Number - 1));
            rows = SlotAssignment.Released(next, asked.Slot, asked.Number);
            Assert.Null(rows.Single(row => row.Slot == asked.Slot).Holder);
            SlotCandidate[] candidates = Candidates(before);
            // Given away; what else is uneven is asked for next.
            SlotRow[] given = SlotAssignment.Next(rows, Up(before), candidates);
            rows = [.. given.Select(row => row with { IsReleasing = false })];
            Assert.True(order.Count < 10);
        }
        Assert.Equal(released, string.Join(' ', order));
        Assert.Equal(after, Describe(rows, before));

        SlotRow[] Next(SlotRow[] now) => SlotAssignment.Next(now, Up(before), Candidates(before));
    }

    [Fact]
    public void A_release_that_would_even_out_nothing_any_more_is_taken_back()
    {
        const string Before = "A:a1,b2 B:";
        SlotRow[] rows = SlotAssignment.Next(Parse(Before), Up(Before), Candidates(Before));
        Assert.Single(rows, row => row.IsReleasing);
        SlotRow[] next = SlotAssignment.Next(rows, Up("A:"), Candidates("A:", "a1 b2"));
        Assert.DoesNotContain(next, row => row.IsReleasing);
        Assert.Equal("A:a1,b2", Describe(next, "A:"));
        // The silo that had been asked may still say that it released it: that is not heard any more.
        SlotRow asked = rows.Single(row => row.IsReleasing);
        Assert.Equal(next, SlotAssignment.Released(next, asked.Slot, asked.Number));
    }

    [Fact]
    public void Only_silos_that_are_configured_with_a_slot_get_it()
    {
        SlotCandidate[] candidates = [Candidate("A", "a1 b2"), Candidate("B", "a1 b2 c3")];
        SlotRow[] rows = SlotAssignment.Next([], Up("A: B:"), candidates);
        Assert.Equal("A:a1 B:b2,c3", Describe(rows, "A: B:"));
        rows = SlotAssignment.Next(rows, Up("A:"), candidates[..1]);
        Assert.Equal("A:a1,b2", Describe(rows, "A:"));
        Assert.Null(rows.Single(row => row.Slot == "c3").Holder);
        rows = SlotAssignment.Next(rows, Up("A: B:"), candidates);
        Assert.Equal("B", rows.Single(row => row.Slot == "c3").Holder!.Silo);
    }

    [Fact]
    public void A_silo_that_leaves_gives_up_its_slots_and_one_that_takes_none_keeps_none_of_others()
    {
        const string Before = "A:a1 B:b2 C:c3";
        SlotRow[] rows = SlotAssignment.Left(Parse(Before), "B@1");
        // It still is up, and takes none.
        rows = SlotAssignment.Next(rows, Up(Before), Candidates("A: C:", "a1 b2 c3"));
        Assert.Equal("A:a1,b2 C:c3", Describe(rows, "A: C:"));
    }

    [Fact]
    public void Another_life_of_a_silo_is_another_silo()
    {
        SlotRow[] rows = Parse("A:a1 B:b2");
        SlotHolder reborn = new("A", "A@2");
        SlotRow[] next = SlotAssignment.Next(rows, new HashSet<string> { "A@2", "B@1" },
            [new SlotCandidate(reborn, Slots("a1 b2")), Candidate("B", "a1 b2")]);
        Assert.Equal(reborn, next.Single(row => row.Slot == "a1").Holder);
        Assert.True(next.Single(row => row.Slot == "a1").Number > rows[0].Number);
    }

    /// <summary>Whatever comes and goes: every slot is held by a silo that is up as long as there is one, counts differ by
    /// one at most in the end, and nothing moves that need not.</summary>
    [Fact]
    public void Whatever_comes_and_goes_slots_are_held_and_even_and_move_as_little_as_possible()
    {
        var random = new Random(5);
        SlotRow[] rows = [];
        var up = new SortedSet<char>("ABC");
        for (int step = 0; step < 500; step++)
        {
            char silo = (char)('A' + random.Next(5));
            if (!up.Remove(silo)) up.Add(silo);
            if (up.Count == 0) up.Add('A');
            string silos = string.Join(' ', up.Select(name => $"{name}:"));
            SlotCandidate[] candidates = Candidates(silos, "a1 b2 c3 a4 b5 c6 a7");
            int lost = rows.Count(row => !up.Contains(row.Holder!.Silo[0]));
            SlotRow[] before = rows;
            for (bool changes = true; changes;)
            {
                SlotRow[] next = SlotAssignment.Next(rows, Up(silos), candidates);
                changes = !next.SequenceEqual(rows);
                SlotRow? asked = next.SingleOrDefault(row => row.IsReleasing);
                rows = asked is null ? next : SlotAssignment.Released(next, asked.Slot, asked.Number);
            }
            int[] counts = [.. up.Select(name => rows.Count(row => row.Holder?.Silo == $"{name}"))];
            Assert.True(counts.Max() - counts.Min() <= 1, Describe(rows, silos));
            Assert.Equal(7, counts.Sum());
            int moved = before.Count(row => rows.Single(r => r.Slot == row.Slot).Holder != row.Holder);
            // One that has come is filled up to the average, and no more.
            Assert.InRange(moved, lost, lost + (7 / up.Count));
        }
    }

    private static SlotRow[] Parse(string table) => [.. table.Split(' ')
        .SelectMany(silo => Slots(silo[2..].Replace(',', ' ')).Select(row => row with { Holder = Holder(silo[..1]) }))
        .OrderBy(row => row.Slot, StringComparer.Ordinal)];

    private static SlotRow[] Slots(string names) => [.. names.Split(' ', StringSplitOptions.RemoveEmptyEntries)
        .Select(name => new SlotRow(name, name[0] == '-' ? "" : name[..1]))];

    private static SlotHolder Holder(string silo) => new(silo, $"{silo}@1");

    private static HashSet<string> Up(string table) =>
        [.. table.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(silo => $"{silo[0]}@1")];

    private static SlotCandidate Candidate(string silo, string slots) => new(Holder(silo), Slots(slots));

    /// <summary>All silos of a table, each configured with all slots.</summary>
    private static SlotCandidate[] Candidates(string table, string? slots = null)
    {
        slots ??= string.Join(' ', Parse(table).Select(row => row.Slot));
        return [.. table.Split(' ', StringSplitOptions.RemoveEmptyEntries)
            .Select(silo => Candidate(silo[..1], slots))];
    }

    private static string Describe(SlotRow[] rows, string silos) => string.Join(' ',
        silos.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(silo => $"{silo[0]}:"
            + string.Join(',', rows.Where(row => row.Holder?.Silo == silo[..1]).Select(row => row.Slot))));
}
