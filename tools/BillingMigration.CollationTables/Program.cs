using BillingMigration.CollationTables;

// Makes src/BillingMigration.Core/Model/Collations/collations.br from real servers, MySQL 9.7 and MariaDB 10.11:
//   dotnet run --project tools/BillingMigration.CollationTables -- 127.0.0.1:33306 127.0.0.1:33307 src/BillingMigration.Core/Model/Collations/collations.br
// A collation never changes once it is published, because indexes on disk depend on it: the file is made anew only to cover more collations.
if (args is not [var mySql, var mariaDb, var file])
{
    Console.Error.WriteLine("CollationTables MYSQL_HOST:PORT MARIADB_HOST:PORT FILE");
    return 2;
}

var tables = new List<CollationTable>();
foreach (var address in new[] { mySql, mariaDb })
{
    await using var server = await WeightReader.OpenAsync(address);
    foreach (var collation in await server.CollationsAsync())
    {
        var table = await server.ReadAsync(collation);
        if (tables.Find(t => t.Name == collation.Name) is { } other)
        {
            Console.WriteLine(other.IsSame(table) ? $"{collation.Name}: the same on both servers" : $"{collation.Name}: the servers disagree, and it is left out");
            if (!other.IsSame(table))
            {
                other.IsDisputed = true;
            }

            continue;
        }

        tables.Add(table);
        Console.WriteLine($"{collation.Name}: {table.Map.Count} code points become others, {table.Contractions.Count} contractions");
    }
}

await File.WriteAllBytesAsync(file, TableFile.Write([.. tables.Where(t => !t.IsDisputed)]));
Console.WriteLine($"{file}: {new FileInfo(file).Length} bytes");
return 0;
