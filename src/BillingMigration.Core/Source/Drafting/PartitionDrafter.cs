using System.Globalization;
using System.Text.Json.Nodes;
using BillingMigration.Model;

namespace BillingMigration.Source.Drafting;

/// <summary>Finds the way from each entity to its billing account, and with it the base keys.</summary>
internal sealed class PartitionDrafter(IReadOnlyDictionary<string, EntityDraft> entities, DraftNotes notes)
{
    private static readonly string[] BillDates =
        ["bill_date", "invoice_date", "issue_date", "issued_at", "issued_on", "issued", "statement_date", "billing_date", "billed_at", "date", "period_end", "period_start", "created_at", "created_on", "created"];

    private static readonly string[] ChargeDates =
        ["charged_at", "charge_date", "charged_on", "usage_date", "event_time", "event_date", "occurred_at", "rated_at", "transaction_date", "posted_at", "service_date", "start_time", "started_at", "date", "created_at", "created_on", "created"];

    /// <summary>The entity whose row is the root of a partition: the billing account, else the customer.</summary>
    private EntityDraft? Hub => entities.GetValueOrDefault(EntityProfile.Account) ?? entities.GetValueOrDefault(EntityProfile.Customer);

    public void Draft()
    {
        if (Hub is { } hub)
        {
            SetOwn(hub);
            notes.Certain($"A {hub.Profile.Entity} ('{hub.Table.Name}') and what belongs to it share the partition {hub.PartitionKey}.");
        }

        var open = entities.Values.Where(e => e != Hub).ToList();
        // A child can inherit the account's columns from a parent that inherited them: again until nothing is found.
        while (open.RemoveAll(TryOwnColumns) > 0)
        {
        }

        var direct = entities.Values.Where(e => e.PartitionColumns is not null && !open.Contains(e)).ToList();
        open.RemoveAll(e => TryLookup(e, direct));
        foreach (var entity in open)
        {
            SetOwn(entity);
            if (entity.Profile.Entity != EntityProfile.Customer)
            {
                notes.Likely($"No NOT NULL foreign key leads from '{entity.Table.Name}' to an account in one step, so each {entity.Profile.Entity} is a partition of its own; reading an account's {entity.Profile.Entity} items goes over an index.");
            }
        }

        foreach (var entity in entities.Values.Where(e => !e.OwnPartition))
        {
            entity.SortKey = SortKey(entity);
        }
    }

    public static string? DateColumn(EntityDraft entity)
    {
        var names = entity.Profile.Entity switch { EntityProfile.Bill => BillDates, EntityProfile.Charge => ChargeDates, _ => null };
        return names is null ? null : NameWords.FindColumn(entity.Table, names, c => c is { Nullable: false, UpdatedAutomatically: false } && c.IsDate())?.Name;
    }

    private static void SetOwn(EntityDraft entity)
    {
        entity.OwnPartition = true;
        entity.PartitionColumns = entity.Table.PrimaryKey;
        (entity.PartitionKey, entity.SortKey) = (entity.Identity, entity.Label);
    }

    private bool TryOwnColumns(EntityDraft child)
    {
        // A customer that its account refers to stands above the account, not in it.
        if (Hub is null || (child.Profile.Entity == EntityProfile.Customer && Hub.ReferencesTo(child).Count > 0))
        {
            return false;
        }

        // What is declared is certain; a name is a guess, and good enough for the account itself only.
        var ways = entities.Values.Where(p => p.PartitionColumns is not null && p.PartitionKey.Length > 0 && p != child)
            .SelectMany(parent => child.ReferencesTo(parent).Where(r => !r.Nullable && (parent == Hub || r.Declared)).Select(reference => (parent, reference)))
            .OrderByDescending(w => w.reference.Declared).ThenByDescending(w => w.parent == Hub);
        foreach (var (parent, reference) in ways)
        {
            if (reference.ChildColumns(parent.PartitionColumns!) is { } columns)
            {
                child.PartitionColumns = columns;
                child.PartitionKey = $"{Hub.Label}#{string.Join('#', columns.Select(child.Plain))}";
                var text = $"{child.Profile.Entity} belongs to the account in {string.Join(", ", columns.Select(c => $"'{child.Table.Name}.{c}'"))} ({Why(reference)}).";
                notes.By(reference, text);
                notes.Rely(child, reference);
                return true;
            }
        }

        return false;
    }

    private bool TryLookup(EntityDraft child, List<EntityDraft> parents)
    {
        if (Hub is null || (child.Profile.Entity == EntityProfile.Customer && Hub.ReferencesTo(child).Count > 0))
        {
            return false;
        }

        foreach (var parent in parents.Where(p => p != child && (p == Hub || !p.OwnPartition)).OrderBy(p => p == Hub ? 0 : 1))
        {
            if (child.ReferencesTo(parent).FirstOrDefault(r => r is { Declared: true, Nullable: false }) is { } reference)
            {
                var name = parent.Label.ToLowerInvariant();
                var on = new JsonObject(reference.ParentToChild.Select(p => KeyValuePair.Create<string, JsonNode?>(p.Value, p.Key)));
                child.Lookups[name] = new JsonObject { ["table"] = parent.Table.Name, ["on"] = on };
                child.PartitionKey = $"{Hub.Label}#{string.Join('#', parent.PartitionColumns!.Select(c => parent.Plain(name, c)))}";
                notes.Certain($"'{child.Table.Name}' does not hold its account, so {child.Profile.Entity} looks it up in '{parent.Table.Name}' over {string.Join(", ", reference.ParentToChild.Values)}.");
                return true;
            }
        }

        return false;
    }

    private string SortKey(EntityDraft entity)
    {
        var own = $"{entity.Label}#{(DateColumn(entity) is { } date ? entity.Plain(date) + "#" : string.Empty)}{entity.SortableAll(entity.RestOfKey)}";
        if (DateColumn(entity) is { } used)
        {
            notes.Likely($"{entity.Profile.Entity} sorts by '{used}' inside its account: it is NOT NULL and taken to stay as it is once written.");
        }

        // An agreement lies below its subscriber, so that one query reads both.
        if (entity.Profile.Entity == EntityProfile.Agreement && entities.GetValueOrDefault(EntityProfile.Subscriber) is { OwnPartition: false, PartitionColumns: not null } subscriber
            && entity.ReferencesTo(subscriber).FirstOrDefault(r => !r.Nullable) is { } reference && reference.ChildColumns(subscriber.RestOfKey) is { } columns && entity.PartitionColumns is not null)
        {
            notes.Rely(entity, reference);
            notes.Likely($"{entity.Profile.Entity} sorts below its subscriber ({string.Join(", ", columns)}).");
            return $"{subscriber.Label}#{entity.SortableAll(columns)}#{own}";
        }

        return own;
    }

    private static string Why(TableReference reference) => reference.Declared ? $"foreign key to '{reference.Parent.Name}'" : string.Create(
        CultureInfo.InvariantCulture,
        $"named like the key of '{reference.Parent.Name}', no foreign key is declared{(reference.Evidence is { Rows: > 0 } rows ? $"; all {rows.Rows:N0} rows looked at have theirs" : "")}");
}
