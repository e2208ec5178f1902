namespace BillingMigration.Source.Binlog;

/// <summary>Transaction numbers of one source: intervals in order, with a gap between any two.</summary>
internal sealed class GtidIntervals
{
    /// <summary>The largest number a transaction can have.</summary>
    public const long MaxNumber = long.MaxValue - 1;

    private readonly List<Interval> intervals = [];

    /// <param name="Last">Inclusive.</param>
    public readonly record struct Interval(long First, long Last);

    public IReadOnlyList<Interval> All => intervals;

    public void Add(long first, long last)
    {
        // Nearly always the next transaction of the source.
        if (intervals.Count > 0 && intervals[^1] is var end && first == end.Last + 1)
        {
            intervals[^1] = end with { Last = last };
            return;
        }

        // From the first interval that is not wholly before, with a gap, to the last that is not wholly behind.
        var from = FirstEndingAtOrAfter(first - 1);
        var to = from;
        while (to < intervals.Count && intervals[to].First <= last + 1)
        {
            (first, last) = (Math.Min(first, intervals[to].First), Math.Max(last, intervals[to].Last));
            to++;
        }

        intervals.RemoveRange(from, to - from);
        intervals.Insert(from, new Interval(first, last));
    }

    public bool Contains(long first, long last)
    {
        var at = FirstEndingAtOrAfter(first);
        return at < intervals.Count && intervals[at].First <= first && intervals[at].Last >= last;
    }

    public bool Contains(GtidIntervals other) => other.intervals.TrueForAll(i => Contains(i.First, i.Last));

    private int FirstEndingAtOrAfter(long number)
    {
        var (low, high) = (0, intervals.Count);
        while (low < high)
        {
            var middle = (low + high) / 2;
            (low, high) = intervals[middle].Last < number ? (middle + 1, high) : (low, middle);
        }

        return low;
    }
}
