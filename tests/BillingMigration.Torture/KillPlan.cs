namespace BillingMigration.Torture;

/// <summary>How far an export is when it is killed.</summary>
public enum KillMoment
{
    /// <summary>The process starts and connects.</summary>
    StartUp,

    /// <summary>Lease, run, key ranges.</summary>
    Planning,

    /// <summary>Rows are on their way.</summary>
    Running,

    /// <summary>All rows are written: last checkpoints, end position, completion.</summary>
    Finishing,
}

/// <summary>
/// The moments of the next kills, drawn from the seed. Finishing comes last, because it needs all the rest to be done; a process that was
/// quicker than such a kill has completed the export, and the kills still due happen in another export.
/// </summary>
internal sealed class KillPlan
{
    private readonly Random random;
    private readonly Queue<KillMoment> moments;

    public KillPlan(int kills, Random random)
    {
        this.random = random;
        var finishing = kills / 8;
        var others = Enumerable.Range(0, kills - finishing).Select(i => (i % 6) switch
        {
            0 => KillMoment.StartUp,
            2 => KillMoment.Planning,
            _ => KillMoment.Running,
        }).ToArray();
        random.Shuffle(others);
        moments = new Queue<KillMoment>([.. others, .. Enumerable.Repeat(KillMoment.Finishing, finishing)]);
    }

    /// <summary>Null when no kill is due any more.</summary>
    public KillMoment? Next => moments.TryPeek(out var next) ? next : null;

    public void Done() => moments.Dequeue();

    /// <summary>Draws where in its moment the next kill falls.</summary>
    /// <param name="written">Items that the last life had written.</param>
    /// <param name="total">Items in all.</param>
    /// <param name="typical">How long start-up and planning take.</param>
    public KillOrder Draw(long written, long total, TimeSpan typical)
    {
        var left = total - written;
        var runs = moments.Count(m => m == KillMoment.Running);
        return Next switch
        {
            KillMoment.StartUp or KillMoment.Planning => new KillOrder(0, typical * random.NextDouble()),
            // The remaining rows are shared out among the remaining kills, and a tenth is left for the end.
            KillMoment.Running => new KillOrder(written + (long)(left * 0.9 * 2 * random.NextDouble() / (runs + 1)), TimeSpan.FromMilliseconds(random.Next(250))),
            _ => new KillOrder(total, TimeSpan.FromMilliseconds(random.Next(25))),
        };
    }
}

/// <summary>Kill a worker this long after it has written so many items (or, before it writes, after it has begun what it is to be killed in).</summary>
internal readonly record struct KillOrder(long Items, TimeSpan After);
