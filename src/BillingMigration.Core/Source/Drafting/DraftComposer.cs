using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using BillingMigration.Definition;
using BillingMigration.Model;
using MySqlConnector;

namespace BillingMigration.Source.Drafting;

/// <summary>Drafts a definition from table descriptions.</summary>
internal static class DraftComposer
{
    private static readonly JsonSerializerOptions Layout = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static async Task<DefinitionDraft> ComposeAsync(
        string name, SourceDefinition source, TargetDefinition target, IReadOnlyDictionary<string, TableSchema> tables, MySqlConnection connection, CancellationToken cancellationToken)
    {
        var notes = new DraftNotes();
        var entities = Recognize(tables, source.Database, notes);
        await LookAtRowsAsync(entities, source.Database, connection, notes, cancellationToken);
        foreach (var entity in entities.Values)
        {
            entity.Sensitive.AddRange(entity.Table.Columns.Where(c => SensitiveNames.IsSensitive(c, entity.Profile.Entity)).Select(c => c.Name));
        }

        new PartitionDrafter(entities, notes).Draft();
        new IndexDrafter(entities, notes).Draft();
        foreach (var entity in entities.Values)
        {
            KeepKeysVisible(entity, notes);
        }

        JsonObject Json(DraftNotes to) => DefinitionJson(name, source, target, [.. entities.Values], to);
        foreach (var entity in MigrationDefinitionFile.Parse(Json(new DraftNotes()).ToJsonString(), null).Entities)
        {
            IndexDrafter.DraftParents(entities[entity.Entity], entity, notes);
        }

        var json = Json(notes);
        var text = json.ToJsonString(Layout) + "\n";
        // With questions open it is refused.
        json.Remove("questions");
        foreach (var problem in DefinitionSchemaCheck.Check(MigrationDefinitionFile.Parse(json.ToJsonString(), null), tables))
        {
            notes.Likely($"Look at this before you use it: {problem}");
        }

        return new DefinitionDraft(text, notes.Texts);
    }

    /// <summary>References that are not declared are held against the rows; what those contradict is asked.</summary>
    private static async Task LookAtRowsAsync(
        Dictionary<string, EntityDraft> entities, string database, MySqlConnection connection, DraftNotes notes, CancellationToken cancellationToken)
    {
        foreach (var (child, parent) in entities.Values.SelectMany(c => entities.Values.Where(p => p != c).Select(p => (c, p))))
        {
            foreach (var reference in TableReference.Find(child.Table, parent.Table, parent.Label).Where(r => !r.Declared))
            {
                var rows = await ReferenceEvidence.LookAsync(connection, database, child.Table, parent.Table, reference.ParentToChild, cancellationToken);
                child.Evidence[parent.Table.Name] = rows;
                if (rows.IsRefuted)
                {
                    notes.Ask(string.Create(
                        CultureInfo.InvariantCulture,
                        $"What is '{child.Table.Name}.{string.Join("', '", reference.ParentToChild.Values)}'? It is named like the key of '{parent.Table.Name}', but {rows.Orphans:N0} of {rows.Rows:N0} rows looked at have no row there. No key of {child.Profile.Entity} is made of it."));
                }
            }
        }
    }

    private static Dictionary<string, EntityDraft> Recognize(IReadOnlyDictionary<string, TableSchema> tables, string database, DraftNotes notes)
    {
        var usable = tables.Values.Where(t => !t.PrimaryKey.IsEmpty && t.PrimaryKey.All(c => t.FindColumn(c)!.CanBeKey())).ToList();
        var found = new EntityRecognizer(usable).Recognize();
        if (found.Count == 0)
        {
            throw new MigrationException(
                "NoBillingTables",
                MigrationErrorKind.NotFound,
                $"None of the {tables.Count.ToString(CultureInfo.InvariantCulture)} tables of '{database}' that this account can see looks like a billing table with a primary key. Check the database name and the account's SELECT grants, or write migration.json by hand from docs/definition.md.",
                database);
        }

        var entities = new Dictionary<string, EntityDraft>();
        foreach (var profile in EntityProfile.All)
        {
            if (found.TryGetValue(profile.Entity, out var match))
            {
                entities.Add(profile.Entity, new EntityDraft(profile, match.Table));
                notes.Likely($"Table '{match.Table.Name}' is taken for {profile.Entity}: {match.Reason}.");
            }
            else
            {
                notes.Likely($"No table looks like {profile.Entity}; if there is one, add it by hand.");
            }
        }

        var left = tables.Values.Where(t => entities.Values.All(e => e.Table != t)).OrderBy(t => t.Name, StringComparer.Ordinal).ToList();
        if (left.Count > 0)
        {
            notes.Likely($"Left out, because they look like none of the six entities or have no usable primary key: {string.Join(", ", left.Select(t => t.Name))}.");
        }

        return entities;
    }

    /// <summary>A column in a key cannot be masked: keys show wherever an item is named.</summary>
    private static void KeepKeysVisible(EntityDraft entity, DraftNotes notes)
    {
        var keys = string.Concat(entity.PartitionKey, entity.SortKey, entity.Indexes.ToJsonString());
        foreach (var column in entity.Sensitive.Where(c => keys.Contains($"{{{c}}}", StringComparison.Ordinal) || keys.Contains($"{{{c}:", StringComparison.Ordinal) || keys.Contains($"{{{c}%", StringComparison.Ordinal)).ToList())
        {
            entity.Sensitive.Remove(column);
            notes.Likely($"'{entity.Table.Name}.{column}' looks personal but is part of a key, so it is not marked sensitive: think of another key.");
        }

        if (entity.Sensitive.Count > 0)
        {
            notes.Likely($"Sensitive in {entity.Profile.Entity}, judged by their names: {string.Join(", ", entity.Sensitive)}.");
        }
    }

    private static JsonObject DefinitionJson(string name, SourceDefinition source, TargetDefinition target, IReadOnlyList<EntityDraft> entities, DraftNotes notes)
    {
        var indexes = entities.SelectMany(e => e.Indexes.Select(i => i.Key)).Distinct().Order(StringComparer.Ordinal).ToList();
        var reserved = indexes.SelectMany(i => new[] { i + "pk", i + "sk" }).Concat(["pk", "sk", "entity"]).ToHashSet(StringComparer.Ordinal);
        var json = new JsonObject { ["name"] = name };
        AddIfSet(json, "questions", notes.Questions.Count > 0 ? new JsonArray([.. notes.Questions.Select(q => (JsonNode)q)]) : null);
        json["source"] = SourceJson(source);
        json["target"] = TargetJson(target);
        json["indexes"] = new JsonArray([.. indexes.Select(i => IndexJson(i, entities, notes))]);
        json["entities"] = new JsonArray([.. entities.Select(e => EntityJson(e, reserved, notes))]);
        return json;
    }

    private static JsonObject SourceJson(SourceDefinition source)
    {
        var tls = new JsonObject { ["mode"] = source.Tls.Mode.ToString() };
        AddIfSet(tls, "caFile", source.Tls.CaFile);
        var json = new JsonObject { ["host"] = source.Host, ["port"] = source.Port, ["database"] = source.Database, ["tls"] = tls };
        AddIfSet(json, "compression", source.Compression ? true : null);
        return json;
    }

    private static JsonObject TargetJson(TargetDefinition target)
    {
        var json = new JsonObject();
        AddIfSet(json, "region", target.Region);
        AddIfSet(json, "endpointUrl", target.EndpointUrl?.GetLeftPart(UriPartial.Authority));
        json["table"] = target.Table;
        AddIfSet(json, "controlTable", target.ControlTable);
        AddIfSet(json, "billingMode", target.BillingMode == BillingMode.Provisioned ? "Provisioned" : null);
        AddIfSet(json, "readCapacityUnits", target.ReadCapacityUnits);
        AddIfSet(json, "writeCapacityUnits", target.WriteCapacityUnits);
        AddIfSet(json, "kmsKeyId", target.KmsKeyId);
        if (target.Tags.Count > 0)
        {
            json["tags"] = new JsonObject(target.Tags.Select(t => KeyValuePair.Create<string, JsonNode?>(t.Key, t.Value)));
        }

        return json;
    }

    private static void AddIfSet(JsonObject json, string name, JsonNode? value)
    {
        if (value is not null)
        {
            json[name] = value;
        }
    }

    private static JsonObject IndexJson(string index, IReadOnlyList<EntityDraft> entities, DraftNotes notes)
    {
        var json = new JsonObject { ["name"] = index };
        if (index is "gsi2" or "gsi5" || IndexDrafter.IsOfParents(index))
        {
            json["include"] = new JsonArray();
        }
        else if (index == "gsi4")
        {
            // What reports add up and group by; DynamoDB projects at most 20 attributes.
            var columns = entities.Where(e => e.Indexes.ContainsKey(index)).SelectMany(ReportColumns).Distinct(StringComparer.Ordinal).Take(19).ToList();
            json["include"] = new JsonArray([.. columns.Prepend("entity").Select(c => (JsonNode)c)]);
            notes.Likely($"{index} carries what reports need besides its keys: {string.Join(", ", columns)}.");
        }

        return json;
    }

    private static IEnumerable<string> ReportColumns(EntityDraft entity) => entity.Table.Columns
        .Where(c => !entity.Sensitive.Contains(c.Name) && c.Name is not ("pk" or "sk" or "entity" or "gsi4pk" or "gsi4sk"))
        .Where(c => c.DataType == "decimal" || c.Name == IndexDrafter.KindColumn(entity) || NameWords.Of(c.Name).Contains("due")
            || entity.Table.ForeignKeys.Any(k => k.Columns.Contains(c.Name)))
        .Select(c => c.Name);

    private static JsonObject EntityJson(EntityDraft entity, HashSet<string> reserved, DraftNotes notes)
    {
        var json = new JsonObject { ["entity"] = entity.Profile.Entity, ["table"] = entity.Table.Name, ["pk"] = entity.PartitionKey, ["sk"] = entity.SortKey };
        if (entity.Lookups.Count > 0)
        {
            json["lookups"] = entity.Lookups.DeepClone();
        }

        if (entity.Indexes.Count > 0)
        {
            json["indexes"] = new JsonObject(entity.Indexes.OrderBy(i => i.Key, StringComparer.Ordinal).Select(i => KeyValuePair.Create(i.Key, i.Value?.DeepClone())));
        }

        var columns = new JsonObject();
        foreach (var column in entity.Table.Columns)
        {
            var rule = new JsonObject();
            if (reserved.Contains(column.Name))
            {
                rule["attribute"] = column.Name + "_column";
                notes.Certain($"'{entity.Table.Name}.{column.Name}' becomes the attribute '{column.Name}_column', because '{column.Name}' is the migration's own.");
            }

            AddIfSet(rule, "sensitive", entity.Sensitive.Contains(column.Name) ? true : null);
            if (rule.Count > 0)
            {
                columns[column.Name] = rule;
            }
        }

        AddIfSet(json, "columns", columns.Count > 0 ? columns : null);
        return json;
    }
}
