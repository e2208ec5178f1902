using System.Collections.Immutable;
using BillingMigration.Model;
using BillingMigration.Source.Binlog;

namespace BillingMigration.Sync;

/// <summary>
/// The looked-up values of parent rows at the place where the stream is read. What the stream said of a parent last is what it is; of a parent that it has not yet
/// said anything of, the first change further on tells what it is until then (<see cref="Announce"/>). Not thread-safe.
/// </summary>
internal sealed class LookupValues(LookupPlan plan)
{
    private const int MostKnown = 500_000;
    private const int MostOverdue = 100_000;

    /// <summary>Values by parent; default: there is no such row.</summary>
    private readonly Dictionary<LookupKey, ImmutableArray<byte[]?>> known = [];

    /// <summary>Values of parents until changes that are read ahead, in their order.</summary>
    private readonly Dictionary<LookupKey, Queue<ImmutableArray<byte[]?>>> ahead = [];

    /// <summary>Changes that were passed before they were read ahead, counted.</summary>
    private readonly Dictionary<LookupKey, int> overdue = [];

    /// <summary>Parents that are to be asked for.</summary>
    public List<LookupKey> Open { get; } = [];

    /// <summary>True when the next change gives other keys to the children of its row, and they have not moved yet.</summary>
    public bool MustMove { get; private set; }

    public bool MustReadAhead => overdue.Count > MostOverdue;

    /// <summary>Fills in the looked-up values of a row; false when it must wait: for values, or until children have moved.</summary>
    public bool TryFill(EntityModel model, RowsKind kind, RowBuffer before, RowBuffer after)
    {
        Open.Clear();
        foreach (var link in plan.OfChild(model))
        {
            if (kind != RowsKind.Insert)
            {
                Fill(link, before);
            }

            if (kind != RowsKind.Delete)
            {
                Fill(link, after);
            }
        }

        return Open.Count == 0 && !MustMove && !MustReadAhead;
    }

    /// <summary>Fills in what all other lookups than one give; false when it must wait for values.</summary>
    public bool TryFillOthers(LookupLink link, RowBuffer row)
    {
        Open.Clear();
        foreach (var other in plan.OfChild(link.Child))
        {
            if (!ReferenceEquals(other, link))
            {
                Fill(other, row);
            }
        }

        return Open.Count == 0;
    }

    /// <summary>Asks for the children of a parent row to be moved before its change is taken.</summary>
    public void Expect(EntityModel model, RowsKind kind, RowBuffer before, RowBuffer after) =>
        MustMove = kind == RowsKind.Update && plan.OfParent(model).Any(link => link.Moves(before, after) && !BoundTable.Differ(before, after, link.ParentColumns.AsSpan()));

    public void Moved() => MustMove = false;

    /// <summary>Takes what a change says of parents: from here on it holds.</summary>
    public void Pass(EntityModel model, RowsKind kind, RowBuffer before, RowBuffer after)
    {
        foreach (var link in plan.OfParent(model))
        {
            if (known.Count >= MostKnown)
            {
                // Each can be asked for again.
                known.Clear();
            }

            if (kind != RowsKind.Insert && link.OfParent(before) is { } old && (kind == RowsKind.Delete || link.Leaves(before, after)))
            {
                known[old] = default;
                Arrive(old);
            }

            if (kind != RowsKind.Delete && link.OfParent(after) is { } now)
            {
                known[now] = link.Values(after);
            }
        }
    }

    /// <summary>Takes a change that is read ahead of the place.</summary>
    public void Announce(EntityModel model, RowsKind kind, RowBuffer before, RowBuffer after)
    {
        foreach (var link in plan.OfParent(model))
        {
            if (kind == RowsKind.Insert || link.OfParent(before) is not { } key || (kind == RowsKind.Update && !link.Leaves(before, after)))
            {
                continue;
            }

            if (overdue.TryGetValue(key, out var late))
            {
                Count(key, late - 1);
            }
            else
            {
                (ahead.TryGetValue(key, out var queue) ? queue : ahead[key] = new()).Enqueue(link.Values(before));
            }
        }
    }

    /// <summary>True when a change that is read ahead tells what the parent is here.</summary>
    public bool TryAnswer(LookupKey key)
    {
        if (!ahead.TryGetValue(key, out var queue))
        {
            return false;
        }

        known[key] = queue.Peek();
        return true;
    }

    /// <summary>Takes what the source has now of a parent that no change up to now concerns.</summary>
    public void Answer(LookupKey key, ImmutableArray<byte[]?> values) => known[key] = values;

    private void Fill(LookupLink link, RowBuffer row)
    {
        if (link.OfChild(row) is not { } key)
        {
            link.Fill(row, default);
        }
        else if (known.TryGetValue(key, out var values))
        {
            link.Fill(row, values);
        }
        else
        {
            Open.Add(key);
        }
    }

    private void Arrive(LookupKey key)
    {
        if (!ahead.TryGetValue(key, out var queue))
        {
            Count(key, overdue.GetValueOrDefault(key) + 1);
            return;
        }

        queue.Dequeue();
        if (queue.Count == 0)
        {
            ahead.Remove(key);
        }
    }

    private void Count(LookupKey key, int late)
    {
        if (late == 0)
        {
            overdue.Remove(key);
        }
        else
        {
            overdue[key] = late;
        }
    }
}
