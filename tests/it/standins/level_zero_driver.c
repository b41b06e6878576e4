/* A Level Zero driver with one discrete GPU, for the real loader to load. FAULT=CRASH dies while it initialises. */
#include <stdlib.h>
#include <string.h>

#include <level_zero/ze_api.h>
#include <level_zero/ze_ddi.h>
#include <level_zero/zes_ddi.h>
#include <level_zero/zet_ddi.h>

#define CRASH 1
#ifndef FAULT
#define FAULT 0
#endif

static int driver, device;

static ze_result_t ZE_APICALL init(ze_init_flags_t flags) {
    (void)flags;
    if (FAULT == CRASH)
        *(volatile int *)0 = 1;
    return ZE_RESULT_SUCCESS;
}

static ze_result_t ZE_APICALL drivers(uint32_t *count, ze_driver_handle_t *handles) {
    if (handles && *count)
        handles[0] = (ze_driver_handle_t)&driver;
    *count = 1;
    return ZE_RESULT_SUCCESS;
}

static ze_result_t ZE_APICALL driver_properties(ze_driver_handle_t handle, ze_driver_properties_t *told) {
    (void)handle;
    told->driverVersion = 1u << 24 | 3u << 16 | 27642u;
    return ZE_RESULT_SUCCESS;
}

static ze_result_t ZE_APICALL devices(ze_driver_handle_t handle, uint32_t *count, ze_device_handle_t *handles) {
    (void)handle;
    if (handles && *count)
        handles[0] = (ze_device_handle_t)&device;
    *count = 1;
    return ZE_RESULT_SUCCESS;
}

static ze_result_t ZE_APICALL device_properties(ze_device_handle_t handle, ze_device_properties_t *told) {
    (void)handle;
    if (told->stype != ZE_STRUCTURE_TYPE_DEVICE_PROPERTIES)
        return ZE_RESULT_ERROR_INVALID_ARGUMENT;
    told->type = ZE_DEVICE_TYPE_GPU;
    told->vendorId = 0x8086;
    told->deviceId = 0x56a0;
    told->flags = 0;
    memset(told->uuid.id, 0xab, sizeof told->uuid.id);
    strcpy(told->name, "Stand-in Graphics");
    return ZE_RESULT_SUCCESS;
}

static ze_result_t ZE_APICALL memory(ze_device_handle_t handle, uint32_t *count, ze_device_memory_properties_t *told) {
    (void)handle;
    if (told && *count)
        told[0].totalSize = 16ull << 30;
    *count = 1;
    return ZE_RESULT_SUCCESS;
}

static ze_result_t ZE_APICALL address(ze_device_handle_t handle, ze_pci_ext_properties_t *told) {
    (void)handle;
    told->address.domain = 0;
    told->address.bus = 0x4d;
    told->address.device = 0;
    told->address.function = 0;
    return ZE_RESULT_SUCCESS;
}

/* The loader refuses a driver that lacks one of its tables. What nobody calls stays empty. */
#define TABLE(api, Name, name, FILL)                                                                                   \
    ZE_APIEXPORT ze_result_t ZE_APICALL api##Get##Name##ProcAddrTable(ze_api_version_t version,                        \
                                                                      api##_##name##_dditable_t *table) {              \
        (void)version, (void)table;                                                                                    \
        FILL return ZE_RESULT_SUCCESS;                                                                                 \
    }

TABLE(ze, Device, device, table->pfnGet = devices; table->pfnGetProperties = device_properties;
      table->pfnGetMemoryProperties = memory; table->pfnPciGetPropertiesExt = address;)
TABLE(ze, Driver, driver, table->pfnGet = drivers; table->pfnGetProperties = driver_properties;)
TABLE(ze, Global, global, table->pfnInit = init;)
TABLE(ze, CommandList, command_list, )
TABLE(ze, CommandQueue, command_queue, )
TABLE(ze, Context, context, )
TABLE(ze, DeviceExp, device_exp, )
TABLE(ze, Event, event, )
TABLE(ze, EventExp, event_exp, )
TABLE(ze, EventPool, event_pool, )
TABLE(ze, FabricEdgeExp, fabric_edge_exp, )
TABLE(ze, FabricVertexExp, fabric_vertex_exp, )
TABLE(ze, Fence, fence, )
TABLE(ze, Image, image, )
TABLE(ze, ImageExp, image_exp, )
TABLE(ze, Kernel, kernel, )
TABLE(ze, KernelExp, kernel_exp, )
TABLE(ze, Mem, mem, )
TABLE(ze, Module, module, )
TABLE(ze, ModuleBuildLog, module_build_log, )
TABLE(ze, PhysicalMem, physical_mem, )
TABLE(ze, Sampler, sampler, )
TABLE(ze, VirtualMem, virtual_mem, )
TABLE(zes, Device, device, )
TABLE(zes, Diagnostics, diagnostics, )
TABLE(zes, Driver, driver, )
TABLE(zes, Engine, engine, )
TABLE(zes, FabricPort, fabric_port, )
TABLE(zes, Fan, fan, )
TABLE(zes, Firmware, firmware, )
TABLE(zes, Frequency, frequency, )
TABLE(zes, Led, led, )
TABLE(zes, Memory, memory, )
TABLE(zes, PerformanceFactor, performance_factor, )
TABLE(zes, Power, power, )
TABLE(zes, Psu, psu, )
TABLE(zes, Ras, ras, )
TABLE(zes, Scheduler, scheduler, )
TABLE(zes, Standby, standby, )
TABLE(zes, Temperature, temperature, )
TABLE(zet, CommandList, command_list, )
TABLE(zet, Context, context, )
TABLE(zet, Debug, debug, )
TABLE(zet, Device, device, )
TABLE(zet, Kernel, kernel, )
TABLE(zet, Metric, metric, )
TABLE(zet, MetricGroup, metric_group, )
TABLE(zet, MetricGroupExp, metric_group_exp, )
TABLE(zet, MetricQuery, metric_query, )
TABLE(zet, MetricQueryPool, metric_query_pool, )
TABLE(zet, MetricStreamer, metric_streamer, )
TABLE(zet, Module, module, )
TABLE(zet, TracerExp, tracer_exp, )
