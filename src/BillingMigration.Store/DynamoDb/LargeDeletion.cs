using System.IO.Hashing;
using System.Text;
using BillingMigration.Model;

namespace BillingMigration.Store.DynamoDb;

/// <summary>Deletes the children of a deleted row in parts, their own children before them; or takes their reference away.</summary>
internal sealed class LargeDeletion(
    BillingModel model, Intent intent, RowFinder finder, RowParts rowParts, TransactionSender sender, IntentLog log, DeletionNotes notes, StoreTimes times, TimeProvider time)
{
    private const int MostHeld = 50;
    private const int MostForbidden = 10_000;

    /// <summary>Until the unit is noted; then its notes stay as long as it does.</summary>
    private static readonly TimeSpan PlanLasts = TimeSpan.FromMinutes(5);

    private static readonly TimeSpan NoteLasts = TimeSpan.FromDays(36_500);

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    private readonly IntentParts written = new(model, intent, finder, sender, log, time);

    /// <summary>Deletes the row itself, and notes the rest.</summary>
    /// <exception cref="StoreException"><see cref="StoreError.HasChildren"/>, <see cref="StoreError.Conflict"/>; nothing is changed then.</exception>
    public async Task BeginAsync(RowBuffer row, TransactionSender beginning, CancellationToken cancellationToken)
    {
        await finder.RequireUnchangedAsync(intent.Entity, row, cancellationToken);
        var noted = new List<(EntityModel, string)>();
        try
        {
            await RequireNoneForbiddenAsync(row, noted, cancellationToken);
            var parts = new TransactionParts(model.Definition, time);
            (EntityModel, RowBuffer?, RowBuffer?) change = (intent.Entity, row, null);
            log.Begin(parts, intent);
            notes.Put(parts, intent.Entity, intent.RowText, intent.Id, NoteLasts);
            notes.RequireNoBillRun(parts, intent.Entity, intent.RowText);
            await rowParts.AddRowAsync(parts, intent.Entity, row, null, [], cancellationToken);
            await rowParts.AddUniqueAsync(parts, change, null, [], cancellationToken);
            await beginning.SendAsync(parts, cancellationToken);
        }
        catch (Exception e) when (e is StoreException or NotRoutedException)
        {
            foreach (var (entity, text) in noted)
            {
                await notes.TakeBackAsync(entity, text);
            }

            throw;
        }
    }

    /// <summary>Deletes what is left of the children, and ends the unit. May begin anew any number of times.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        await finder.SettleAsync([intent.Entity], times, cancellationToken);
        await FollowAsync(intent.Entity, intent.Row, cancellationToken);
        var parts = new TransactionParts(model.Definition, time);
        parts.EndDeletion(intent.Entity, intent.RowText);
        log.End(parts, intent);
        await sender.SendAsync(parts, cancellationToken);
    }

    private async Task FollowAsync(EntityModel parent, RowBuffer row, CancellationToken cancellationToken)
    {
        foreach (var reference in Reference.To(model, parent))
        {
            var like = reference.ChildRow(row);
            var isParent = reference.Cascades && !Reference.To(model, reference.Child).IsEmpty;
            var held = new List<RowBuffer>();
            await foreach (var child in finder.ListAsync(reference.Child, like, reference.ChildColumns, cancellationToken))
            {
                held.Add(child);
                if (held.Count == MostHeld)
                {
                    await DeleteAsync(reference, held, isParent, cancellationToken);
                    held.Clear();
                }
            }

            await DeleteAsync(reference, held, isParent, cancellationToken);
        }
    }

    private async Task DeleteAsync(Reference reference, List<RowBuffer> children, bool areParents, CancellationToken cancellationToken)
    {
        if (areParents && children.Count > 0)
        {
            foreach (var child in children)
            {
                await NoteAsync(reference.Child, child, cancellationToken);
            }

            await finder.SettleAsync([reference.Child], times, cancellationToken);
            foreach (var child in children)
            {
                await FollowAsync(reference.Child, child, cancellationToken);
            }
        }

        await WriteAsync(reference, children, areParents, cancellationToken);
    }

    private Task WriteAsync(Reference reference, List<RowBuffer> children, bool isParent, CancellationToken cancellationToken) => written.WriteAsync(
        reference.Child, children, now => children.Any(child => !now.Differs(child, reference.ChildColumns)), (parts, child) => AddAsync(parts, reference, child, isParent, cancellationToken), null, cancellationToken);

    /// <summary>A bill run of the row comes first, when it is under way.</summary>
    private async Task NoteAsync(EntityModel entity, RowBuffer row, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                await notes.PutAsync(entity, entity.Describe(row), intent.Id, NoteLasts, cancellationToken);
                return;
            }
            catch (StoreException e) when (e.Error == StoreError.Conflict)
            {
                await Task.Delay(Pause, time, cancellationToken);
            }
        }
    }

    private async Task AddAsync(TransactionParts parts, Reference reference, RowBuffer child, bool isParent, CancellationToken cancellationToken)
    {
        var after = reference.Cascades ? null : reference.Released(child);
        var item = await rowParts.AddRowAsync(parts, reference.Child, child, after, [], cancellationToken);
        await rowParts.AddUniqueAsync(parts, (reference.Child, child, after), item, [], cancellationToken);
        if (isParent)
        {
            parts.EndDeletion(reference.Child, reference.Child.Describe(child));
        }
    }

    /// <summary>Walks over all that would go, when some foreign key among it forbids that its parent goes.</summary>
    private async Task RequireNoneForbiddenAsync(RowBuffer row, List<(EntityModel, string)> noted, CancellationToken cancellationToken)
    {
        if (!Below(intent.Entity).Any(r => r.Forbids))
        {
            return;
        }

        var deleted = new HashSet<UInt128>();
        var forbidden = new List<(UInt128 Child, string Name)>();
        var open = new Stack<(EntityModel Model, RowBuffer Row)>([(intent.Entity, row)]);
        while (open.TryPop(out var parent))
        {
            var references = Reference.To(model, parent.Model);
            if (references.Any(r => r.Forbids))
            {
                var text = parent.Model.Describe(parent.Row);
                await notes.PutAsync(parent.Model, text, intent.Id, PlanLasts, cancellationToken);
                noted.Add((parent.Model, text));
            }

            foreach (var reference in references.Where(r => r.Forbids || r.Cascades))
            {
                await foreach (var child in finder.ListAsync(reference.Child, reference.ChildRow(parent.Row), reference.ChildColumns, cancellationToken))
                {
                    var name = XxHash128.HashToUInt128(Encoding.UTF8.GetBytes($"{reference.Child.Entity} {reference.Child.Describe(child)}"));
                    if (reference.Cascades)
                    {
                        if (deleted.Add(name) && Below(reference.Child).Count > 0)
                        {
                            open.Push((reference.Child, child));
                        }
                    }
                    else if (forbidden.Count < MostForbidden)
                    {
                        forbidden.Add((name, reference.Name));
                    }
                    else
                    {
                        throw StoreErrors.HasChildren(reference.Name);
                    }
                }
            }
        }

        foreach (var (_, name) in forbidden.Where(f => !deleted.Contains(f.Child)))
        {
            throw StoreErrors.HasChildren(name);
        }
    }

    /// <summary>Foreign keys that are reached when a row of the entity goes.</summary>
    private HashSet<Reference> Below(EntityModel entity)
    {
        var reached = new HashSet<Reference>();
        var open = new Stack<EntityModel>([entity]);
        while (open.TryPop(out var parent))
        {
            foreach (var reference in Reference.To(model, parent).Where(reached.Add).Where(r => r.Cascades))
            {
                open.Push(reference.Child);
            }
        }

        return reached;
    }
}
