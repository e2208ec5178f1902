using System.Collections.Immutable;
using System.Globalization;

namespace BillingMigration.Definition;

/// <summary>What several places of a definition must agree on: names that are declared and used, attributes and keys that must not meet.</summary>
internal sealed class DefinitionRules(MigrationDefinition definition, DefinitionNode root, DefinitionProblems problems)
{
    /// <summary>DynamoDB's quota for global secondary indexes of a table.</summary>
    private const int MaxIndexes = 20;

    /// <summary>DynamoDB's limits for projected non-key attributes: of one index, and of all indexes of a table together.</summary>
    private const int MaxIncludedOfIndex = 20;
    private const int MaxIncludedOfTable = 100;

    public void Check()
    {
        CheckUnique("paths", definition.Paths.Select(p => p.Name), "name", "path", StringComparer.OrdinalIgnoreCase);
        CheckUnique("indexes", definition.Indexes.Select(i => i.Name), "name", "index", StringComparer.OrdinalIgnoreCase);
        CheckUnique("entities", definition.Entities.Select(e => e.Entity), "entity", "entity", StringComparer.OrdinalIgnoreCase);
        CheckUnique("entities", definition.Entities.Select(e => e.Table), "table", "table", StringComparer.Ordinal);
        CheckIndexes();
        for (var i = 0; i < definition.Entities.Length; i++)
        {
            var entity = definition.Entities[i];
            var node = root.At("entities", i);
            CheckIndexUse(entity, node);
            CheckLookups(entity, node);
            CheckExcludedKeyColumns(entity, node);
            CheckEncryption(entity, node);
            CheckAttributes(entity, node);
        }

        CheckKeyClashes();
        CheckViews();
        if (definition.Target.Encryption is not null && !definition.Entities.SelectMany(e => e.Columns.Values).Any(c => c.Encrypt))
        {
            problems.Add(root.At("target", "encryption"), "No column is encrypted.", "Remove \"encryption\", or mark columns: \"columns\": { \"email\": { \"encrypt\": true } }.");
        }
    }

    private void CheckUnique(string list, IEnumerable<string> names, string property, string what, StringComparer comparer)
    {
        var seen = new Dictionary<string, int>(comparer);
        foreach (var (name, index) in names.Select((name, index) => (name, index)).Where(n => n.name.Length > 0))
        {
            if (!seen.TryAdd(name, index))
            {
                var remedy = property == "table" ? "One table is one entity: remove one of the two." : $"Give each {what} its own name.";
                problems.Add(root.At(list, index, property), $"The {what} '{name}' is already at $.{list}[{seen[name].ToString(CultureInfo.InvariantCulture)}].", remedy);
            }
        }
    }

    private void CheckIndexes()
    {
        if (definition.Indexes.Length > MaxIndexes)
        {
            problems.Add(root.At("indexes"), $"There are {definition.Indexes.Length} indexes.", $"DynamoDB allows at most {MaxIndexes} global secondary indexes on a table.");
        }

        var total = 0;
        for (var i = 0; i < definition.Indexes.Length; i++)
        {
            var index = definition.Indexes[i];
            if (index.Name.Length > 0 && !definition.Entities.Any(e => e.Indexes.Keys.Contains(index.Name, StringComparer.Ordinal)))
            {
                problems.Add(root.At("indexes", i), $"No entity uses the index '{index.Name}'.", "Remove it, or give an entity its keys under \"indexes\".");
            }

            if (index.Include is { } include)
            {
                total += include.Length;
                CheckInclude(index, include, root.At("indexes", i, "include"));
            }
        }

        if (total > MaxIncludedOfTable)
        {
            problems.Add(
                root.At("indexes"), $"The indexes include {total} attributes together.", $"DynamoDB allows at most {MaxIncludedOfTable} for all indexes of a table: leave \"include\" out of one to project all.");
        }
    }

    private void CheckInclude(IndexDefinition index, ImmutableArray<string> include, DefinitionNode node)
    {
        if (include.Length > MaxIncludedOfIndex)
        {
            problems.Add(node, $"The index '{index.Name}' includes {include.Length} attributes.", $"DynamoDB allows at most {MaxIncludedOfIndex}: include fewer, or leave \"include\" out to project all.");
        }

        var keys = new[] { "pk", "sk", index.PartitionKeyAttribute, index.SortKeyAttribute };
        foreach (var (name, i) in include.Select((name, i) => (name, i)))
        {
            if (keys.Contains(name, StringComparer.Ordinal))
            {
                problems.Add(node.At(i), $"'{name}' is a key and always in the index.", "Remove it from \"include\".");
            }
            else if (include.IndexOf(name) < i)
            {
                problems.Add(node.At(i), $"'{name}' is included twice.", "Remove one of them.");
            }
        }
    }

    private void CheckIndexUse(EntityDefinition entity, DefinitionNode node)
    {
        var declared = definition.Indexes.Select(i => i.Name).Where(n => n.Length > 0).ToList();
        foreach (var used in entity.Indexes.Keys.Where(used => !declared.Contains(used, StringComparer.Ordinal)))
        {
            problems.Add(
                node.At("indexes", used), $"The index '{used}' is not declared.", $"Add {{ \"name\": \"{used}\" }} to $.indexes. {NameSuggestion.Remedy(used, declared, "index")}");
        }
    }

    private void CheckLookups(EntityDefinition entity, DefinitionNode node)
    {
        var used = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (template, place) in Templates(entity, node))
        {
            foreach (var column in template.Columns.Where(c => c.Lookup is not null))
            {
                used.Add(column.Lookup!);
                if (!entity.Lookups.ContainsKey(column.Lookup!))
                {
                    problems.Add(
                        place,
                        $"The key template '{template}' uses the lookup '{column.Lookup}', which {Name(entity)} does not declare.",
                        $"Add it under \"lookups\" as {{ \"table\", \"on\" }}. {NameSuggestion.Remedy(column.Lookup!, [.. entity.Lookups.Keys], "lookup")}");
                }
            }
        }

        // A template that could not be read may be the one that uses it.
        if (Templates(entity, node).Any(t => t.Template.Parts.IsEmpty))
        {
            return;
        }

        foreach (var idle in entity.Lookups.Keys.Where(name => !used.Contains(name)))
        {
            problems.Add(node.At("lookups", idle), $"No key template of {Name(entity)} uses the lookup '{idle}'.", $"Remove it, or use it as {{{idle}.column}}.");
        }
    }

    private void CheckExcludedKeyColumns(EntityDefinition entity, DefinitionNode node)
    {
        foreach (var (template, place) in Templates(entity, node))
        {
            foreach (var column in template.Columns.Where(c => c.Lookup is null && entity.Columns.TryGetValue(c.Column, out var rule) && rule.Exclude))
            {
                problems.Add(
                    place, $"The key template '{template}' uses the column '{column.Column}', which is excluded: the row could not be made from the item again.", "Migrate the column, or build the key from another one.");
            }
        }
    }

    /// <summary>What stands in a key is there for all to see, and what is looked for must be comparable.</summary>
    private void CheckEncryption(EntityDefinition entity, DefinitionNode node)
    {
        const string Remedy = "Do not encrypt it, or build the key from another column.";
        foreach (var (name, _) in entity.Columns.Where(c => c.Value.Encrypt && definition.Target.Encryption is null))
        {
            problems.Add(
                node.At("columns", name, "encrypt"), $"The column '{name}' is encrypted, and no data key is defined.", "Add \"encryption\": { \"kmsKeyId\": \"alias/…\" } to the target.");
        }

        foreach (var (template, place) in Templates(entity, node))
        {
            foreach (var column in template.Columns.Where(c => IsEncrypted(c.Lookup is null ? entity : OwnerOf(entity, c.Lookup), c.Column)))
            {
                problems.Add(place, $"The key template '{template}' uses the column '{column.Column}', which is encrypted: the key would show it.", Remedy);
            }
        }

        foreach (var (index, key) in entity.Indexes.Where(i => i.Value.When is { } when && IsEncrypted(entity, when.Column)))
        {
            problems.Add(node.At("indexes", index, "when"), $"The condition looks at the column '{key.When!.Column}', which is encrypted: what is in the index would show its value.", Remedy);
        }
    }

    /// <summary>A key shows what it is made of, so a view that shows an entity shows that much.</summary>
    private void CheckViews()
    {
        foreach (var (name, view) in definition.Views)
        {
            var node = root.At("views", name, "columns");
            if (view.Columns.IsEmpty)
            {
                problems.Add(node, $"The view '{name}' shows nothing.", "Add { \"ENTITY\": [\"column\", …] }.");
            }

            foreach (var (shown, columns) in view.Columns)
            {
                var place = node.At(shown);
                if (definition.Entities.FirstOrDefault(e => e.Entity == shown) is not { } entity)
                {
                    problems.Add(place, $"There is no entity '{shown}'.", NameSuggestion.Remedy(shown, [.. definition.Entities.Select(e => e.Entity)], "entity"));
                    continue;
                }

                foreach (var (column, owner) in entity.PartitionKey.Columns.Concat(entity.SortKey.Columns).Distinct()
                    .Select(c => (c.Column, c.Lookup is null ? entity : OwnerOf(entity, c.Lookup))).Where(c => c.Item2 is { } o && !view.Shows(o.Entity, c.Column)))
                {
                    problems.Add(place, $"The view '{name}' shows {shown} and not {owner!.Entity}.{column}, which its key shows.", $"Add \"{column}\" to the columns of {owner.Entity}.");
                }

                foreach (var excluded in columns.Where(c => entity.Columns.TryGetValue(c, out var rule) && rule.Exclude))
                {
                    problems.Add(place, $"The view '{name}' shows {shown}.{excluded}, which is excluded.", "Remove it, or migrate the column.");
                }
            }
        }
    }

    private EntityDefinition? OwnerOf(EntityDefinition entity, string lookup) =>
        entity.Lookups.TryGetValue(lookup, out var rule) ? definition.Entities.FirstOrDefault(e => e.Table == rule.Table) : null;

    private static bool IsEncrypted(EntityDefinition? entity, string column) => entity is not null && entity.Columns.TryGetValue(column, out var rule) && rule.Encrypt;

    /// <summary>Columns that the file names become attributes; two of them, or one and a key attribute, must not share a name.</summary>
    private void CheckAttributes(EntityDefinition entity, DefinitionNode node)
    {
        var columns = entity.Columns.Where(c => !c.Value.Exclude).Select(c => (Column: c.Key, Attribute: c.Value.Attribute ?? c.Key)).ToList();
        var named = Templates(entity, node).SelectMany(t => t.Template.Columns).Where(c => c.Lookup is null).Select(c => c.Column)
            .Concat(entity.Indexes.Values.Select(i => i.When?.Column).OfType<string>());
        columns.AddRange(named.Where(c => !entity.Columns.ContainsKey(c)).Distinct(StringComparer.OrdinalIgnoreCase).Select(c => (c, c)));
        var reserved = ReservedAttributes(definition);
        var seen = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (column, attribute) in columns)
        {
            var place = node.At("columns", column, "attribute");
            if (reserved.Contains(attribute))
            {
                problems.Add(place, $"The column '{column}' would become the attribute '{attribute}', which is the migration's own.", $"Give it another name: \"columns\": {{ \"{column}\": {{ \"attribute\": \"…\" }} }}.");
            }
            else if (!seen.TryAdd(attribute, column))
            {
                problems.Add(place, $"The columns '{seen[attribute]}' and '{column}' would both become the attribute '{attribute}'.", "Give one of them another \"attribute\".");
            }
        }
    }

    /// <summary>Attributes that every item has besides its columns.</summary>
    internal static HashSet<string> ReservedAttributes(MigrationDefinition definition) =>
        [
            "pk", "sk", "entity",
            .. definition.Indexes.Where(i => i.Name.Length > 0).SelectMany(i => new[] { i.PartitionKeyAttribute, i.SortKeyAttribute }),
        ];

    private void CheckKeyClashes()
    {
        for (var i = 0; i < definition.Entities.Length; i++)
        {
            for (var j = i + 1; j < definition.Entities.Length; j++)
            {
                var (first, second) = (definition.Entities[i], definition.Entities[j]);
                if (first.HasReadableKey() && second.HasReadableKey() && KeyAmbiguity.CouldClash(first, second))
                {
                    problems.Add(
                        root.At("entities", j, "sk"),
                        $"Rows of {Name(first)} ({first.PartitionKey}, {first.SortKey}) and {Name(second)} ({second.PartitionKey}, {second.SortKey}) could get the same key.",
                        "Begin one of the two sort keys with a word of its own, like CHARGE#.");
                }
            }
        }
    }

    private static string Name(EntityDefinition entity) => entity.Entity.Length > 0 ? entity.Entity : entity.Table;

    private static IEnumerable<(KeyTemplate Template, DefinitionNode Place)> Templates(EntityDefinition entity, DefinitionNode node)
    {
        yield return (entity.PartitionKey, node.At("pk"));
        yield return (entity.SortKey, node.At("sk"));
        foreach (var (name, key) in entity.Indexes)
        {
            for (var i = 0; i < key.PartitionKey.Length; i++)
            {
                yield return (key.PartitionKey[i], node.At("indexes", name, "pk", i));
            }

            for (var i = 0; i < key.SortKey.Length; i++)
            {
                yield return (key.SortKey[i], node.At("indexes", name, "sk", i));
            }
        }
    }
}

internal static class EntityKeys
{
    public static bool HasReadableKey(this EntityDefinition entity) => !entity.PartitionKey.Parts.IsEmpty && !entity.SortKey.Parts.IsEmpty;
}
