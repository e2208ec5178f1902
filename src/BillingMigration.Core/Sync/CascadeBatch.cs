using System.Collections.Immutable;
using BillingMigration.Model;
using BillingMigration.Source.Binlog;

namespace BillingMigration.Sync;

/// <summary>
/// Parent rows that follow each other in one transaction, and whose children can be derived together: deleted ones, or ones of a table with new values
/// that none of them had before. Repeating such a batch from the state before it, or from any part of its own writes, gives the same rows.
/// </summary>
internal sealed class CascadeBatch(EntityModel parent, RowsKind kind, long rowsBefore) : IDisposable
{
    private const int MostTriggers = 1_000;

    private readonly HashSet<string> given = [];
    private readonly HashSet<string> taken = [];
    private long rows;

    public EntityModel Parent => parent;

    public bool Deletes => kind == RowsKind.Delete;

    public List<CascadeTrigger> Triggers { get; } = [];

    /// <summary>The parents' own changes: written behind those of their children.</summary>
    public ChangeWindow Own { get; } = new();

    /// <summary>Rows of the transaction in front of the batch.</summary>
    public long RowsBefore => rowsBefore;

    /// <summary>Rows of the transaction up to and with the batch.</summary>
    public long RowsAfter => rowsBefore + rows;

    public bool IsFull => Triggers.Count >= MostTriggers || Own.IsFull;

    /// <summary>True when the next row can be part of the batch.</summary>
    /// <param name="triggers">What the row does to children.</param>
    public bool Accepts(EntityModel model, RowsKind next, List<CascadeTrigger> triggers)
    {
        if (next != kind || (kind != RowsKind.Delete && (model != parent || triggers.Count == 0)))
        {
            return false;
        }

        return kind == RowsKind.Delete || !triggers.Any(t => taken.Contains(Identity(t.Link, t.Old)) || (t.New is { } values && given.Contains(Identity(t.Link, values))));
    }

    /// <summary>Takes what a row does to children.</summary>
    public void Add(List<CascadeTrigger> triggers)
    {
        Triggers.AddRange(triggers);
        rows++;
        if (kind == RowsKind.Delete)
        {
            return;
        }

        foreach (var trigger in triggers)
        {
            given.Add(Identity(trigger.Link, trigger.Old));
            if (trigger.New is { } values)
            {
                taken.Add(Identity(trigger.Link, values));
            }
        }
    }

    public void Dispose() => Own.Dispose();

    private static string Identity(CascadeLink link, IEnumerable<byte[]?> values) =>
        $"{string.Join(',', link.ParentColumns)} {string.Join(',', values.Select(v => v is null ? "" : Convert.ToHexString(v)))}";
}
