using System.Threading.Channels;
using BillingMigration.Model;

namespace BillingMigration.Sync;

/// <summary>What the changes of children are written with.</summary>
internal interface ICascadeWriter
{
    ChangeWindow Window { get; }

    /// <summary>Writes the window when it is full.</summary>
    ValueTask MakeRoomAsync(CancellationToken cancellationToken);

    /// <summary>Returns when all that was put into windows is in the table.</summary>
    Task FlushAsync(CancellationToken cancellationToken);
}

/// <summary>
/// Does in the table what foreign keys did in the source, where the binlog tells the parents' changes only: finds the children that the table has at that place of
/// the stream, and derives what became of them. Children are written before their parents, new items before old ones are deleted: broken off
/// anywhere, it does the rest when it is repeated. Not thread-safe.
/// </summary>
internal sealed class CascadeFollower(CascadePlan plan, ChildFinder finder, bool setAside)
{
    private const int MostLookups = 16;
    private const int MostFound = 256;
    private const int MostKept = 20_000;

    private readonly Dictionary<EntityModel, (ItemEncoder Encoder, int[] KeyColumns)> encoders = [];

    /// <summary>A child, as the table has it and as it becomes.</summary>
    private sealed class Child(EntityModel model, RowBuffer before)
    {
        public EntityModel Model => model;

        public RowBuffer Before => before;

        public RowBuffer After { get; } = before.Copy();

        public bool Deleted { get; set; }

        public int Depth { get; set; }
    }

    private readonly record struct Found(CascadeTrigger Trigger, RowBuffer Row);

    /// <param name="exact">
    /// True when the table is the source as it was at that place. Else it is ahead in places, by a snapshot: then what is found may stand where it does since later, and is not followed
    /// further; the rows below are found by the parent's values, or when the snapshot's end is passed.
    /// </param>
    public async Task RunAsync(CascadeBatch batch, bool exact, ICascadeWriter writer, CancellationToken cancellationToken)
    {
        var parents = new Dictionary<string, Child>();
        var leaves = new Dictionary<string, Child>();
        var last = new List<CascadeTrigger>();
        var level = new List<CascadeTrigger>(batch.Triggers);
        if (!exact)
        {
            foreach (var trigger in batch.Triggers)
            {
                plan.CollectFlows(trigger, level);
            }
        }

        for (var depth = 1; level.Count > 0; depth++)
        {
            // What is deleted and has no children need not be kept: it is found again, and deleted, before its parents are.
            last.AddRange(level.Where(IsLast));
            var below = new List<CascadeTrigger>();
            await foreach (var (trigger, row) in FindAsync(level.Where(t => !IsLast(t)), cancellationToken))
            {
                Derive(trigger, row, depth, exact, plan.HasLinks(trigger.Link.Child) ? parents : leaves, below);
                if (leaves.Count >= MostKept)
                {
                    await WriteAsync(leaves.Values, writer, cancellationToken);
                    leaves.Clear();
                }
            }

            level = below;
        }

        await WriteAsync(leaves.Values, writer, cancellationToken);
        await DeleteAsync(last, writer, cancellationToken);
        foreach (var depth in parents.Values.GroupBy(c => c.Depth).OrderByDescending(g => g.Key))
        {
            await WriteAsync(depth, writer, cancellationToken);
        }
    }

    private bool IsLast(CascadeTrigger trigger) => trigger.Action == CascadeAction.Delete && !plan.HasLinks(trigger.Link.Child);

    private void Derive(CascadeTrigger trigger, RowBuffer row, int depth, bool exact, Dictionary<string, Child> kept, List<CascadeTrigger> below)
    {
        var model = trigger.Link.Child;
        var name = model.Entity + ' ' + model.Describe(row);
        if (!kept.TryGetValue(name, out var child))
        {
            kept.Add(name, child = new Child(model, row));
        }

        child.Depth = Math.Max(child.Depth, depth);
        if (child.Deleted || !trigger.Link.Refers(child.After, trigger.Old))
        {
            return;
        }

        var was = child.After.Copy();
        child.Deleted = !trigger.Apply(child.After);
        if (exact && plan.HasLinks(model))
        {
            plan.Collect(model, was, child.Deleted ? null : child.After, below);
        }
    }

    private async Task WriteAsync(IEnumerable<Child> some, ICascadeWriter writer, CancellationToken cancellationToken)
    {
        foreach (var child in some.Where(c => !c.Deleted))
        {
            ChangeReader.Put(writer.Window, Encoder(child.Model), child.After, setAside);
            await writer.MakeRoomAsync(cancellationToken);
        }

        await writer.FlushAsync(cancellationToken);
        foreach (var child in some.Where(c => c.Deleted || BoundTable.Differ(c.Before, c.After, Keys(c.Model))))
        {
            writer.Window.TryDelete(Encoder(child.Model), child.Before, out _);
            await writer.MakeRoomAsync(cancellationToken);
        }

        await writer.FlushAsync(cancellationToken);
    }

    private async Task DeleteAsync(List<CascadeTrigger> triggers, ICascadeWriter writer, CancellationToken cancellationToken)
    {
        await foreach (var (trigger, row) in FindAsync(triggers, cancellationToken))
        {
            writer.Window.TryDelete(Encoder(trigger.Link.Child), row, out _);
            await writer.MakeRoomAsync(cancellationToken);
        }

        await writer.FlushAsync(cancellationToken);
    }

    /// <summary>Children of many parents, looked for at the same time.</summary>
    private async IAsyncEnumerable<Found> FindAsync(
        IEnumerable<CascadeTrigger> triggers, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var found = Channel.CreateBounded<Found>(MostFound);
        var looking = Parallel.ForEachAsync(
            triggers,
            new ParallelOptions { MaxDegreeOfParallelism = MostLookups, CancellationToken = stop.Token },
            async (trigger, token) =>
            {
                await foreach (var row in finder.FindAsync(trigger, token))
                {
                    await found.Writer.WriteAsync(new Found(trigger, row), token);
                }
            });
        var end = looking.ContinueWith(
            done => found.Writer.Complete(done.Exception?.InnerException), CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        try
        {
            await foreach (var one in found.Reader.ReadAllAsync(cancellationToken))
            {
                yield return one;
            }

            // Cancelled lookups end the channel as finished ones do.
            cancellationToken.ThrowIfCancellationRequested();
        }
        finally
        {
            await stop.CancelAsync();
            await end;
        }
    }

    private ItemEncoder Encoder(EntityModel model) => Encoding(model).Encoder;

    private int[] Keys(EntityModel model) => Encoding(model).KeyColumns;

    private (ItemEncoder Encoder, int[] KeyColumns) Encoding(EntityModel model)
    {
        if (!encoders.TryGetValue(model, out var encoding))
        {
            encoders.Add(model, encoding = (new ItemEncoder(model), BoundTable.KeyColumns(model)));
        }

        return encoding;
    }
}
