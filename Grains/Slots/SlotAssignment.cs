namespace Orleans.Raft.Grains;

/// <summary>Decides which silo holds which slot: a pure function.</summary>
/// <remarks>
/// A slot whose silo is gone goes to the silo that has the fewest; of several to one that has a slot of the same zone
/// already, so that the replicas of a group, which are spread over zones, stay on different silos; of those to the first
/// by name. Where a silo has two slots more than another it is asked to release one, one at a time. Nothing else moves.
/// </remarks>
internal static class SlotAssignment
{
    /// <summary>What the slots become; equal to <paramref name="slots"/> if there is nothing to do.</summary>
    /// <param name="up">The addresses of the silos that live, whether they take slots or not.</param>
    /// <param name="candidates">Those of them that take slots.</param>
    public static SlotRow[] Next(IReadOnlyList<SlotRow> slots, IReadOnlySet<string> up,
        IReadOnlyList<SlotCandidate> candidates)
    {
        var work = new Work(WithConfigured(slots, candidates), candidates);
        work.FreeThoseOfSilosThatAreGone(up);
        work.GiveAwayFreeOnes();
        work.EvenOut();
        return work.Rows;
    }

    /// <summary>The holder has stopped a slot that it was asked for; an answer to an earlier question changes
    /// nothing.</summary>
    public static SlotRow[] Released(IReadOnlyList<SlotRow> slots, string slot, long number) =>
        [.. slots.Select(row => row.Slot == slot && row.Number == number && row.IsReleasing ? Freed(row) : row)];

    /// <summary>A silo has stopped all its slots.</summary>
    public static SlotRow[] Left(IReadOnlyList<SlotRow> slots, string address) =>
        [.. slots.Select(row => row.Holder?.Address == address ? Freed(row) : row)];

    private static SlotRow Freed(SlotRow row) =>
        row with { Holder = null, IsReleasing = false, Number = row.Number + 1 };

    /// <summary>Slots are known once a silo is configured with them; the zone is what the silos say now.</summary>
    private static SlotRow[] WithConfigured(IReadOnlyList<SlotRow> slots, IReadOnlyList<SlotCandidate> candidates)
    {
        var rows = slots.ToDictionary(row => row.Slot, StringComparer.Ordinal);
        foreach (SlotRow configured in candidates.SelectMany(candidate => candidate.Slots))
        {
            rows[configured.Slot] = rows.TryGetValue(configured.Slot, out SlotRow? known)
                ? known with { Zone = configured.Zone }
                : new SlotRow(configured.Slot, configured.Zone);
        }
        return [.. rows.Values.OrderBy(row => row.Slot, StringComparer.Ordinal)];
    }

    private sealed class Work(SlotRow[] rows, IReadOnlyList<SlotCandidate> candidates)
    {
        private readonly SlotCandidate[] _candidates =
            [.. candidates.OrderBy(candidate => candidate.Silo.Silo, StringComparer.Ordinal)];

        public SlotRow[] Rows => rows;

        public void FreeThoseOfSilosThatAreGone(IReadOnlySet<string> up)
        {
            for (int i = 0; i < rows.Length; i++)
                if (rows[i].Holder is { } holder && !up.Contains(holder.Address)) rows[i] = Freed(rows[i]);
        }

        public void GiveAwayFreeOnes()
        {
            // One of each zone first, so that each zone finds a silo of its own while there are enough.
            foreach (int i in Enumerable.Range(0, rows.Length).Where(i => rows[i].Holder is null)
                .OrderBy(i => rows.Take(i).Count(row => row.Holder is null && IsSameZone(row.Zone, rows[i].Zone)))
                .ToArray())
            {
                SlotRow row = rows[i];
                SlotCandidate? taker = _candidates.Where(candidate => candidate.CanOpen(row.Slot))
                    .MinBy(candidate => (CountOf(candidate), HasZone(candidate, row.Zone) ? 0 : 1));
                if (taker is not null) rows[i] = row with { Holder = taker.Silo, Number = row.Number + 1 };
            }
        }

        public void EvenOut()
        {
            for (int i = 0; i < rows.Length; i++)
            {
                // What was asked for and would even out nothing any more stays.
                if (rows[i].IsReleasing && TakerOf(rows[i]) is null)
                    rows[i] = rows[i] with { IsReleasing = false, Number = rows[i].Number + 1 };
            }
            if (Array.Exists(rows, row => row.IsReleasing)) return;
            SlotRow? moved = rows.Where(row => TakerOf(row) is not null)
                .OrderByDescending(row => CountOf(row.Holder!.Address))
                // Those that stand alone with their zone first, and best to where the zone is at home.
                .ThenBy(row => rows.Count(other => other.Holder == row.Holder && IsSameZone(other.Zone, row.Zone)))
                .ThenBy(row => HasZone(TakerOf(row)!, row.Zone) ? 0 : 1)
                .ThenByDescending(row => row.Slot, StringComparer.Ordinal)
                .FirstOrDefault();
            if (moved is null) return;
            rows[Array.IndexOf(rows, moved)] = moved with { IsReleasing = true, Number = moved.Number + 1 };
        }

        /// <summary>Of the silos that may take a slot and have at least two fewer than its holder the one with the
        /// fewest.</summary>
        private SlotCandidate? TakerOf(SlotRow row) => row.Holder is not { } holder ? null
            : _candidates.Where(candidate => candidate.CanOpen(row.Slot)
                    && CountOf(candidate) + 2 <= CountOf(holder.Address))
                .MinBy(candidate => (CountOf(candidate), HasZone(candidate, row.Zone) ? 0 : 1));

        private int CountOf(SlotCandidate candidate) => CountOf(candidate.Silo.Address);

        private int CountOf(string address) => rows.Count(row => row.Holder?.Address == address);

        private bool HasZone(SlotCandidate candidate, string zone) =>
            Array.Exists(rows, row => row.Holder == candidate.Silo && IsSameZone(row.Zone, zone));

        /// <summary>Slots without a zone have nothing in common.</summary>
        private static bool IsSameZone(string one, string other) => one.Length > 0 && one == other;
    }
}
